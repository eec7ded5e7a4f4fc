/** `pending`: what of a record is not in the database yet. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { reading: still } as const
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
})

afterAll(async () => {
  await clean()
  await database.drop()
})

describe('pending', () => {
  const where = { device_metric: { device: 'p', metric: 'q' } }
  const prefix = (count = 2) => Array.from({ length: count }, (_, shard) => shardPrefix(namespace, 'Reading', shard))

  test('tells what is set and what is added, since when, and what a missing row would get', async () => {
    expect(await cache.reading.pending(where)).toBeNull()
    const before = Date.now()
    await cache.reading.update({ where, data: { value: 2.5, samples: { increment: 2 } } })
    await cache.reading.update({ where, data: { samples: { decrement: 5 } } })
    const update = await cache.reading.pending(where)
    expect(update).toMatchObject({
      state: 'pending',
      since: expect.any(Date),
      kind: 'update',
      set: { value: 2.5 },
      increment: { samples: -3n },
    })
    expect(Math.abs((update?.since.getTime() ?? 0) - before)).toBeLessThan(1000 + Date.now() - before)
    await cache.reading.upsert({ where, create: { value: 1, at: new Date(0) }, update: { samples: { increment: 1 } } })
    expect(await cache.reading.pending(where)).toMatchObject({
      kind: 'upsert',
      insert: { value: 1, samples: 0, at: new Date(0) },
      set: { value: 2.5 },
      increment: { samples: -2n },
    })
  })

  test('tells of deletion, and of a row that replaces the deleted one', async () => {
    await cache.reading.delete({ where })
    expect(await cache.reading.pending(where)).toMatchObject({ kind: 'delete', set: {}, increment: {} })
    await cache.reading.upsert({ where, create: { value: 1, at: new Date(0) }, update: {} })
    expect(await cache.reading.pending(where)).toMatchObject({ kind: 'replace', insert: { value: 1, samples: 0, at: new Date(0) } })
  })

  test('keeps apart what is claimed and what was written since', async () => {
    await cache.reading.update({ where, data: { value: 1 } })
    for (const each of prefix())
      await new Store(redis).claim(each, randomUUID(), { records: 10, bytes: 1000 }, { before: Date.now() + 1000 })
    expect(await cache.reading.pending(where)).toMatchObject({ state: 'claimed', set: { value: 1 } })
    await cache.reading.update({ where, data: { value: 2 } })
    const both = await cache.reading.pending(where)
    expect(both).toMatchObject({ state: 'claimed', set: { value: 1 }, next: { state: 'pending', set: { value: 2 } } })
    await cache.flush()
    expect(await cache.reading.pending(where)).toBeNull()
  })
})
