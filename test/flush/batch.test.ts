/** What goes into one batch. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { BatchSize } from '../../src/flush/batch-size.js'
import { createWriteBehind, type Policy } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const HOUR = 3_600_000
const MIB = 1024 * 1024
const LONG = 501
const SHORT = 100

let database: TestDatabase
let connection: ReturnType<typeof createRedis>

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(() => {
  connection = createRedis()
})

afterEach(async () => {
  await connection.clean()
  await database.query('truncate "Document", "Counter"')
})

/** Writes documents with these notes, flushes them, and tells how many records each batch had. */
async function flush(notes: readonly string[], policy: Policy = {}): Promise<number[]> {
  const policies = { document: { shards: 1, debounce: HOUR, maxWait: HOUR, ...policy } }
  const { redis, namespace } = connection
  const cache = await createWriteBehind({ redis, namespace, prisma: database.prisma, models, policies })
  const batches: number[] = []
  cache.events.on('flushed', ({ records }) => batches.push(records))
  for (const [n, note] of notes.entries()) {
    const values = { title: 'a', body: {}, note }
    await cache.document.upsert({ where: { id: `d${n}` }, create: values, update: values })
  }
  await cache.flush()
  await cache.close()
  const rows = await database.query<{ note: string }>('select note from "Document" order by length(id), id')
  expect(rows.map(({ note }) => note.length)).toEqual(notes.map(({ length }) => length))
  expect(rows.map(({ note }) => note)).toEqual(notes)
  return batches
}

describe('a batch', () => {
  test('has at most batchSize records', async () => {
    const batches = await flush(Array(5).fill('a'), { batchSize: 2 })
    expect(Math.max(...batches)).toBe(2)
  })

  test('has at most 4 MiB of values, and a record that has more comes alone', async () => {
    const notes = [1, 1, 5, 1, 1.5, 1, 1].map((size, n) => String(n).repeat(size * MIB))
    expect(await flush(notes, { maxRecordSize: 8 * MIB })).toEqual([2, 1, 3, 1])
  })

  test('carries texts of every length and alphabet', async () => {
    const lengths = [0, 1, 31, 32, 255, 256, 65_535, 65_536]
    expect(await flush(['a', 'é', '漢', '😀', '\u0080'].flatMap((text) => lengths.map((length) => text.repeat(length))))).toEqual([40])
  })
})

describe('the claims of a process', () => {
  const { claim } = Store.prototype
  afterEach(() => vi.restoreAllMocks())

  test('go two at a time, and one that fails makes way', async () => {
    let [underWay, most, claims] = [0, 0, 0]
    vi.spyOn(Store.prototype, 'claim').mockImplementation(async function (this: Store, ...args) {
      most = Math.max(most, ++underWay)
      try {
        return await claim.apply(this, args)
      } finally {
        underWay--
        claims++
      }
    })
    const { redis, namespace } = connection
    const policies = { counter: { shards: 8, debounce: HOUR, maxWait: HOUR } }
    const cache = await createWriteBehind({ redis, namespace, prisma: database.prisma, models, policies })
    await Promise.all(Array.from({ length: 80 }, (_, n) => cache.counter.increment({ name: `c${n}` }, { value: 1 })))
    const broken = [shardPrefix(namespace, 'Counter', 0), shardPrefix(namespace, 'Counter', 1)].map((prefix) => `${prefix}batch`)
    for (const key of broken) await redis.set(key, 'no hash')
    await expect(cache.flush()).rejects.toThrow('WRONGTYPE')
    expect({ most, underWay }).toEqual({ most: 2, underWay: 0 })
    expect(claims).toBeGreaterThanOrEqual(8)
    await redis.del(broken)
    await cache.flush()
    await cache.close()
    expect(await database.query('select count(*)::int, sum(value)::int from "Counter"')).toEqual([{ count: 80, sum: 80 }])
  })
})

describe('the size of the next batch', () => {
  test('halves with each statement that takes too long, also a failing one, down to one record', () => {
    const size = new BatchSize(10)
    const sizes = [10, 5, 2, 1].map((records) => {
      expect(size.limits.records).toBe(records)
      size.adapt(records, LONG)
      return size.limits.records
    })
    expect(sizes).toEqual([5, 2, 1, 1])
  })

  test('stays when what took too long had fewer records than half of it: it is not their number', () => {
    const size = new BatchSize(1000)
    size.adapt(500, LONG)
    expect(size.limits.records).toBe(1000)
    size.adapt(501, LONG)
    expect(size.limits.records).toBe(500)
  })

  test('doubles with each full batch that is quick, up to the most that the policy allows', () => {
    const size = new BatchSize(10)
    size.adapt(10, LONG)
    size.adapt(5, LONG)
    size.adapt(1, SHORT)
    expect(size.limits.records).toBe(2)
    size.adapt(2, LONG / 2 + 1)
    expect(size.limits.records).toBe(2)
    for (const records of [2, 4, 8, 10]) size.adapt(records, SHORT)
    expect(size.limits.records).toBe(10)
  })
})
