/** A member of an enum that a newer release has written: this one says that it does not know it, and stops nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Model } from '../../src/index.js'
import { DEFERRED, key, outcome } from '../extension/stage.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const fields = models.document.fields.map((field) => ('enum' in field ? { ...field, enum: { ...field.enum, NEWER: 'newer' } } : field))
/** As the newer release knows it. */
const document = { ...models.document, fields } as const satisfies Model
const { redis, namespace, clean } = createRedis()
let database: TestDatabase
let cache: Awaited<ReturnType<typeof connect>>
let newer: { upsert(args: unknown): Promise<void> }
let close: () => Promise<unknown>

function connect() {
  return createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { document: DEFERRED } })
}

beforeAll(async () => {
  database = await createDatabase()
  cache = await connect()
  await database.query(`alter type "DocumentState" add value 'newer'`)
  const other = await createWriteBehind({
    prisma: database.prisma,
    redis,
    namespace,
    models: { document },
    policies: { document: DEFERRED },
  })
  newer = other.document as unknown as typeof newer
  // What a start has seen may go later.
  await database.query(`delete from pg_enum where enumtypid = '"DocumentState"'::regtype and enumlabel = 'newer'`)
  close = () => other.close()
})

afterAll(async () => {
  await cache.close()
  await close()
  await clean()
  await database.drop()
})

/** A row, pending, and its neighbour. */
async function written(): Promise<{ id: string }> {
  const where = { id: key() }
  const create = { title: 'title', body: {}, rank: 1, state: 'NEWER' }
  await newer.upsert({ where, create, update: {} })
  return where
}

test('a database that does not know it either parks the record, and takes its neighbours', async () => {
  const where = await written()
  await cache.document.upsert({ where: { id: 'neighbour' }, create: { title: 'title', body: {} }, update: {} })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: [where.id] })
  expect(await database.prisma.document.findUnique({ where: { id: 'neighbour' } })).not.toBeNull()
  await database.query(`alter type "DocumentState" add value 'newer'`)
  await cache.flush()
  expect(await database.query('select state::text from "Document" where id = $1', [where.id])).toEqual([{ state: 'newer' }])
})

test.each(['pending', 'flushed', 'loaded'] as const)('a row that has it and is %s is read and written as Prisma does', async (state) => {
  const where = await written()
  if (state !== 'pending') await cache.flush()
  if (state === 'loaded') await cache.document.invalidate(where)
  const db = database.prisma.$extends(cache.extension())
  const message = expect.stringMatching(/^Document\.state: expected one of DRAFT, PUBLISHED, ARCHIVED, found a member .* does not know$/)
  await expect(cache.document.findUnique({ where })).rejects.toMatchObject({ code: 'REFUSED', message })
  expect(await cache.document.findUnique({ where, select: { rank: true } })).toEqual({ rank: 1 })
  const refused = { name: 'PrismaClientKnownRequestError', code: 'P2023' }
  expect(await outcome(db.document.findUnique({ where }))).toMatchObject(refused)
  expect(await db.document.update({ where, data: { rank: { increment: 1 } }, select: { rank: true } })).toEqual({ rank: 2 })
  // Prisma, too, has written when it finds that it does not know the row.
  await expect(db.document.update({ where, data: { rank: { increment: 1 } } })).rejects.toMatchObject({ code: 'REFUSED', message })
  await cache.flush()
  expect(await database.query('select rank, state::text from "Document" where id = $1', [where.id])).toEqual([{ rank: 3, state: 'newer' }])
  await expect(db.document.delete({ where })).rejects.toMatchObject({ code: 'REFUSED', message })
  await cache.flush()
  expect(await database.prisma.document.count({ where })).toBe(0)
})
