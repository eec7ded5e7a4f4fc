/** set, decrement, max and min: what they do to a row that is there, to one that is missing, and to each other. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import { type Cache, createWriteBehind, type Model } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { counter: still, pageView: still, reading: still, player: still, document: still } as const
const { redis, namespace, empty, clean } = createRedis()
const early = new Date('2026-01-01T00:00:00.000Z')
const late = new Date('2026-01-02T00:00:00.000Z')
const HUGE = 2n ** 62n
const CLAIMS = { records: 10, bytes: 1000 }
let database: TestDatabase
let statements: string[]
let cache: Cache<typeof models, typeof policies>

beforeAll(async () => {
  database = await createDatabase()
})

beforeEach(async () => {
  statements = []
  const client = {
    $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      statements.push(sql)
      return database.prisma.$queryRawUnsafe<T>(sql, ...values)
    },
  }
  cache = await createWriteBehind({ prisma: client, redis, namespace, models, policies })
})

afterEach(async () => {
  await cache.close()
  await empty()
})

afterAll(async () => {
  await clean()
  await database.drop()
})

describe('max and min', () => {
  const id = (n: number) => ({ id: `00000000-0000-4000-9000-00000000000${n}` })
  const where = (metric: string) => ({ device_metric: { device: 'bounds', metric } })

  test('keep the largest and the smallest of what the row holds and what was written, in one statement', async () => {
    await database.prisma.player.create({ data: { ...id(1), name: 'a', score: 50 } })
    await database.prisma.reading.create({ data: { device: 'bounds', metric: 'm', value: 0.25, at: late } })
    for (const score of [10, 70, 60]) await cache.player.update({ where: id(1), data: { score: { max: score } } })
    for (const [value, at] of [
      [0.5, early],
      [0.125, late],
    ] as const)
      await cache.reading.min(where('m'), { value, at })
    await cache.flush()
    expect(await database.prisma.player.findUnique({ where: id(1) })).toMatchObject({ score: 70 })
    expect(await database.prisma.reading.findFirst({ where: { metric: 'm' } })).toMatchObject({ value: 0.125, at: early })
    expect(statements.filter((sql) => sql.startsWith('with fence'))).toHaveLength(2)
  })

  test('insert a missing row with the values, and the defaults beside them', async () => {
    await cache.counter.max({ name: 'below its default' }, { value: -5 })
    await cache.pageView.max({ path: '/seen' }, { lastSeen: late })
    await cache.pageView.max({ path: '/seen' }, { lastSeen: early })
    await cache.flush()
    expect(await database.prisma.counter.findUnique({ where: { name: 'below its default' } })).toMatchObject({ value: -5n })
    expect(await database.prisma.pageView.findUnique({ where: { path: '/seen' } })).toMatchObject({ lastSeen: late, views: 0n })
    expect(statements.some((sql) => sql.includes('greatest(t."last_seen", excluded."last_seen")'))).toBe(true)
  })

  test('of both bounds, null becomes the one that came first, and counts on from there', async () => {
    const rows = ['/max-min', '/min-max'].map((path) => ({ path, updatedAt: early }))
    await database.prisma.pageView.createMany({ data: rows })
    const change = (path: string, lastStatus: object) => cache.pageView.update({ where: { path }, data: { lastStatus } as never })
    for (const each of [{ increment: 1 }, { max: 200 }, { increment: 5 }, { min: 500 }]) await change('/max-min', each)
    for (const each of [{ min: 500 }, { increment: 5 }, { max: 200 }]) await change('/min-max', each)
    await cache.flush()
    expect(await database.prisma.pageView.findUnique({ where: { path: '/max-min' } })).toMatchObject({ lastStatus: 205 })
    expect(await database.prisma.pageView.findUnique({ where: { path: '/min-max' } })).toMatchObject({ lastStatus: 505 })
  })

  test('compare 64-bit numbers exactly, and decimals by their digits', async () => {
    for (const value of [HUGE + 1n, HUGE + 2n, HUGE]) await cache.counter.max({ name: 'exact' }, { value })
    for (const value of [-HUGE - 1n, -HUGE - 2n, -HUGE]) await cache.counter.min({ name: 'exactly negative' }, { value })
    await database.prisma.document.create({ data: { id: 'price', title: 't', body: {}, price: '9.50' } })
    for (const max of ['10.05', '9.99', 10.5]) await cache.document.update({ where: { id: 'price' }, data: { price: { max } } })
    await cache.flush()
    expect(await database.prisma.counter.findUnique({ where: { name: 'exact' } })).toMatchObject({ value: HUGE + 2n })
    expect(await database.prisma.counter.findUnique({ where: { name: 'exactly negative' } })).toMatchObject({ value: -HUGE - 2n })
    expect((await database.prisma.document.findUnique({ where: { id: 'price' } }))?.price.toFixed()).toBe('10.5')
  })

  test('of one moment go to Redis as one operation', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, n) => cache.counter.max({ name: 'folded' }, { value: (n * 37) % 100 })))
    expect(await cache.counter.findUnique({ where: { name: 'folded' } })).toEqual({ name: 'folded', value: 99n })
    expect(await cache.status()).toMatchObject([{ writes: 100, dirty: 1 }, {}, {}, {}, {}])
  })

  test('are seen by reads, whether the row was in Redis before or is loaded', async () => {
    await database.prisma.counter.createMany({ data: ['loaded', 'held'].map((name) => ({ name, value: 5 })) })
    await cache.counter.findUnique({ where: { name: 'held' } })
    for (const name of ['loaded', 'held']) await cache.counter.max({ name }, { value: 8 })
    expect(await cache.counter.findMany({ keys: [{ name: 'loaded' }, { name: 'held' }], select: { value: true } })).toEqual([
      { value: 8n },
      { value: 8n },
    ])
  })

  test('give way to a set, and bound what is set before them', async () => {
    await database.prisma.counter.createMany({ data: ['set after', 'set before'].map((name) => ({ name, value: 5 })) })
    for (const value of [{ max: 10 }, { set: 3 }]) await cache.counter.update({ where: { name: 'set after' }, data: { value } })
    for (const value of [{ set: 3 }, { max: 10 }]) await cache.counter.update({ where: { name: 'set before' }, data: { value } })
    expect(await cache.counter.findUnique({ where: { name: 'set after' } })).toMatchObject({ value: 3n })
    await cache.flush()
    expect(await database.prisma.counter.findUnique({ where: { name: 'set after' } })).toMatchObject({ value: 3n })
    expect(await database.prisma.counter.findUnique({ where: { name: 'set before' } })).toMatchObject({ value: 10n })
  })

  test('show in what is pending', async () => {
    for (const value of [{ increment: 2 }, { max: 10 }, { min: 90 }]) await cache.counter.update({ where: { name: 'p' }, data: { value } })
    expect(await cache.counter.pending({ name: 'p' })).toMatchObject({
      kind: 'update',
      increment: { value: 2n },
      max: { value: 10n },
      min: { value: 90n },
    })
  })

  test('of a record that is parked compose with those that were written meanwhile', async () => {
    await database.query(`alter table players add constraint fair check (score <= 100)`)
    await cache.player.upsert({ where: id(2), create: { name: 'b', score: 200 }, update: { score: { max: 200 } } })
    await new Store(redis).claim(shardPrefix(namespace, 'Player', 0), randomUUID(), CLAIMS, {
      before: Date.now() + 1000,
    })
    await cache.player.update({ where: id(2), data: { score: { decrement: 20 } } })
    await cache.player.update({ where: id(2), data: { score: { min: 90 } } })
    await cache.flush()
    expect(await database.prisma.player.findUnique({ where: id(2) })).toMatchObject({ score: 90 })
  })

  test('that leave 64 bits with an increment are refused; what was written before stays', async () => {
    await cache.counter.max({ name: 'edge' }, { value: 2n ** 63n - 1n })
    const more = cache.counter.increment({ name: 'edge' }, { value: 1 })
    await expect(more).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('within 64 bits') })
    await cache.counter.decrement({ name: 'edge' }, { value: 1 })
    await cache.flush()
    expect(await database.prisma.counter.findUnique({ where: { name: 'edge' } })).toMatchObject({ value: 2n ** 63n - 2n })
  })
})

describe('set and decrement', () => {
  test('set values of a row that is there, and insert a missing one with them and the defaults', async () => {
    await database.prisma.pageView.create({ data: { path: '/set', views: 7, updatedAt: early } })
    for (const path of ['/set', '/new']) await cache.pageView.set({ path }, { lastStatus: 404, lastSeen: null })
    await cache.flush()
    expect(await database.prisma.pageView.findUnique({ where: { path: '/set' } })).toMatchObject({ views: 7n, lastStatus: 404 })
    expect(await database.prisma.pageView.findUnique({ where: { path: '/new' } })).toMatchObject({ views: 0n, lastStatus: 404 })
  })

  test('subtract, and insert a missing row below its default', async () => {
    await cache.counter.decrement({ name: 'down' }, { value: 3n })
    await cache.counter.decrement({ name: 'down' }, { value: -1 })
    await cache.flush()
    expect(await database.prisma.counter.findUnique({ where: { name: 'down' } })).toMatchObject({ value: -2n })
  })
})

describe('fields that are named like what every object has', () => {
  const NAMES = ['constructor', 'hasOwnProperty', 'toString', 'valueOf']
  const fields = NAMES.map((name) => ({ name, column: name, type: 'String', sqlType: 'text', nullable: true, list: false }) as const)
  const odd: Model = { ...models.counter, name: 'Odd', table: 'odd', key: ['constructor'], fields }

  test('are left out where nothing is given for them', async () => {
    await database.query(`create table odd (${NAMES.map((name) => `"${name}" text`).join()}, primary key ("constructor"))`)
    const policies = { odd: still }
    const other = await createWriteBehind({ prisma: database.prisma, redis, namespace, models: { odd }, policies })
    const where = (key: string) => ({ constructor: key }) as never
    await other.odd.upsert({ where: where('a'), create: {}, update: {} })
    await other.odd.upsert({ where: where('b'), create: { valueOf: 'x' } as never, update: {} })
    await other.odd.set(where('b'), { toString: 'y' } as never)
    const empty = { hasOwnProperty: null, toString: null, valueOf: null }
    const expected = [
      { constructor: 'a', ...empty },
      { constructor: 'b', ...empty, valueOf: 'x', toString: 'y' },
    ]
    expect(await other.odd.findMany({ keys: [where('a'), where('b')] })).toEqual(expected)
    await other.flush()
    expect(await database.query('select * from odd order by "constructor"')).toEqual(expected)
    await other.close()
  })

  test('are filled by their defaults, of a key too', () => {
    const made = { ...odd, fields: fields.map((field) => ({ ...field, default: { kind: 'value', value: 'made' } as const })) }
    expect(new Compiler(made).create({ data: {} })).toMatchObject({ key: 'made', values: ['made', 'made', 'made'] })
  })
})

test('a list of Json is set in an update as it is in a create', async () => {
  await database.query('alter table "Counter" add parts jsonb[]')
  const parts = { name: 'parts', column: 'parts', type: 'Json', sqlType: 'jsonb', nullable: false, list: true } as const
  const counter = { ...models.counter, fields: [...models.counter.fields, parts] as const }
  const other = await createWriteBehind({ prisma: database.prisma, redis, namespace, models: { counter }, policies: { counter: still } })
  const where = { name: 'of Json' }
  await other.counter.upsert({ where, create: { parts: { set: [{ set: 1 }, [2]] } }, update: {} })
  expect(await other.counter.findUnique({ where })).toMatchObject({ parts: [{ set: 1 }, [2]] })
  await other.counter.update({ where, data: { parts: { set: [{ set: 3 }] } } })
  await other.flush()
  expect(await database.query('select to_jsonb(parts) as parts from "Counter" where name = $1', [where.name])).toEqual([
    { parts: [{ set: 3 }] },
  ])
  const push = other.counter.update({ where, data: { parts: { push: 4 } as never } })
  await expect(push).rejects.toThrow('Counter.parts: expected a value, { set }')
  await other.close()
})

describe('a field whose default the database or Prisma makes', () => {
  const foreign = { kind: 'foreign' } as const
  const compiler = new Compiler({ ...models.counter, fields: models.counter.fields.map((field) => ({ ...field, default: foreign })) })
  const where = { name: 'a' }

  test.each(['increment', 'decrement'] as const)('is counted by update, and not by %s, which does not know where it starts', (call) => {
    expect(() => compiler[call](where, { value: 1 })).toThrow(
      `Counter.value: expected a default that is known here, as ${call} inserts the row when it is missing (use update or upsert), got one made by the database or by Prisma`,
    )
    expect(compiler.update({ where, data: { value: { [call]: 1 } } })?.values).toEqual([call === 'increment' ? 1 : -1])
  })

  test('is named as the reason why a value is expected', () => {
    const why = 'its default is made by the database or by Prisma'
    expect(() => compiler.upsert({ where, create: {}, update: {} })).toThrow(`Counter.value: expected a value in create (${why}), got none`)
    expect(() => compiler.create({ data: {} })).toThrow(`Counter.name: expected a value in data (${why}), got none`)
    const reading = new Compiler({ ...models.reading, fields: models.reading.fields.map((field) => ({ ...field, default: foreign })) })
    expect(() => reading.set({ device_metric: { device: 'd', metric: 'm' } }, { value: 1 })).toThrow(
      `Reading.samples: expected a value, as set inserts the row when it is missing (${why}; use update or upsert), got none`,
    )
  })
})
