/** What the database holds and no call could have written is read as Prisma reads it, or its row is refused, and no other. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, PersistError } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { reading: still, document: still } as const
const { redis, namespace, empty, clean } = createRedis()
let database: TestDatabase
let cache: Cache<typeof models, typeof policies>

beforeAll(async () => {
  database = await createDatabase()
})

beforeEach(async () => {
  cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
})

afterEach(async () => {
  await cache.close()
  await empty()
  await database.query('truncate "Reading", "Document"')
})

afterAll(async () => {
  await clean()
  await database.drop()
})

const reading = (metric: string) => ({ device_metric: { device: 'd', metric } })

async function insertReading(metric: string, value: string, at = '2026-01-01'): Promise<void> {
  await database.query(`insert into "Reading" (device, metric, value, at) values ('d', $1, $2::float8, $3::timestamp)`, [metric, value, at])
}

describe('numbers that are none, or infinite', () => {
  test.each(['NaN', 'Infinity', '-Infinity'])('%s of a Float is read, and stays under increments of other fields', async (value) => {
    await insertReading('m', value)
    const where = reading('m')
    const expected = { ...(await database.prisma.reading.findUnique({ where })), samples: 2 }
    for (let n = 0; n < 2; n++) {
      await cache.reading.findUnique({ where })
      await cache.reading.update({ where, data: { samples: { increment: 1 } } })
    }
    expect(expected).toMatchObject({ value: Number(value) })
    expect(await cache.reading.findUnique({ where })).toEqual(expected)
    await cache.flush()
    expect(await database.prisma.reading.findUnique({ where })).toEqual(expected)
  })

  test.each([true, false])('are bounded in a view as in the table (a view there before: %s)', async (viewed) => {
    const bounds = ['NaN', 'Infinity', '-Infinity'].flatMap((value) => [
      { metric: `max ${value}`, value, data: { value: { max: 5 } } },
      { metric: `min ${value}`, value, data: { value: { min: -5 } } },
    ])
    for (const { metric, value } of bounds) await insertReading(metric, value)
    const keys = bounds.map(({ metric }) => reading(metric))
    if (viewed) await cache.reading.findMany({ keys })
    for (const { metric, data } of bounds) await cache.reading.update({ where: reading(metric), data })
    const read = await cache.reading.findMany({ keys })
    await cache.flush()
    expect(read).toEqual(await Promise.all(keys.map((where) => database.prisma.reading.findUnique({ where }))))
    expect(read.map((row) => row?.value)).toEqual([Number.NaN, -5, Number.POSITIVE_INFINITY, -5, 5, Number.NEGATIVE_INFINITY])
  })

  test('NaN of a Decimal is read', async () => {
    await database.query(`insert into "Document" (id, title, body, price) values ('a', 't', '{}', 'NaN')`)
    const where = { id: 'a' }
    const row = await cache.document.findUnique({ where })
    expect(row).toEqual(await database.prisma.document.findUnique({ where }))
    expect(row?.price.isNaN()).toBe(true)
  })
})

describe('a row that holds what its model cannot', () => {
  test.each(['infinity', '12345-01-01'])('(the time %s) is refused by its name, and rows beside it are read', async (at) => {
    await insertReading('good', '1')
    await insertReading('bad', '1', at)
    const [good, bad] = await Promise.allSettled(['good', 'bad'].map((metric) => cache.reading.findUnique({ where: reading(metric) })))
    expect(good).toMatchObject({ status: 'fulfilled', value: { metric: 'good', value: 1 } })
    const { reason } = bad as PromiseRejectedResult
    expect(reason).toBeInstanceOf(PersistError)
    expect(reason).toMatchObject({ code: 'REFUSED', model: 'Reading', key: 'd:bad' })
    expect(reason.message).toMatch(/^Reading\.at: expected a Date .* in the database, found an invalid Date$/)
    await database.query(`update "Reading" set at = '2026-01-01'`)
    expect(await cache.reading.findUnique({ where: reading('bad') })).toMatchObject({ metric: 'bad', value: 1 })
  })

  test('is refused for a null in a list', async () => {
    await database.query(`insert into "Document" (id, title, body, tags) values ('a', 't', '{}', '{x,NULL}')`)
    const read = cache.document.findUnique({ where: { id: 'a' } })
    await expect(read).rejects.toThrow('Document.tags: expected a string in the database, found null')
  })

  test('is left to Prisma by the extension', async () => {
    await database.query(`insert into "Document" (id, title, body, tags) values ('a', 't', '{}', '{x,NULL}')`)
    const where = { id: 'a' }
    const answer = (find: () => Promise<unknown>) => find().catch((error: { code: string }) => error.code)
    const db = database.prisma.$extends(cache.extension())
    expect(await answer(() => db.document.findUnique({ where }))).toEqual(
      await answer(() => database.prisma.document.findUnique({ where })),
    )
    expect(await db.document.update({ where, data: { tags: ['y'] } })).toMatchObject({ tags: ['y'] })
  })
})
