/** `cache.flush` and `isPersisted`: what was acknowledged before is in the database. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, ParkedError } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { counter: still, pageView: still, player: { ...still, shards: 1 } } as const
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

describe('a barrier', () => {
  test('takes any timeout, also one longer than timers run', async () => {
    for (const timeout of [2 ** 31, Number.POSITIVE_INFINITY]) {
      await cache.counter.increment({ name: 'barrier' }, { value: 1 })
      expect(await cache.flush({ timeout })).toEqual({ records: 1 })
    }
  })

  test('of one model leaves the others in Redis', async () => {
    await cache.counter.increment({ name: 'barrier' }, { value: 1 })
    await cache.pageView.increment({ path: '/barrier' }, { views: 1 })
    expect(await cache.flush({ model: 'counter' })).toEqual({ records: 1 })
    expect(await cache.counter.isPersisted({ name: 'barrier' })).toBe(true)
    expect(await cache.pageView.isPersisted({ path: '/barrier' })).toBe(false)
  })

  test('of one record leaves its neighbours in Redis', async () => {
    await cache.player.upsert({ where: { id: id(1) }, create: { name: 'one' }, update: {} })
    await cache.player.upsert({ where: { id: id(2) }, create: { name: 'two' }, update: {} })
    expect(await cache.flush({ model: 'player', key: { id: id(1) } })).toEqual({ records: 1 })
    expect(await cache.flush({ model: 'player', key: { id: id(1) } })).toEqual({ records: 0 })
    expect(await database.prisma.player.findMany({ select: { id: true } })).toEqual([{ id: id(1) }])
    expect(await cache.player.isPersisted({ id: id(2) })).toBe(false)
  })

  test('of one record brings what was written since it was claimed, too', async () => {
    await cache.player.upsert({ where: { id: id(3) }, create: { name: 'first' }, update: {} })
    await new Store(redis).claim(shardPrefix(namespace, 'Player', 0), randomUUID(), { records: 10, bytes: 1000 }, { key: id(3) })
    await cache.player.update({ where: { id: id(3) }, data: { name: 'second' } })
    await cache.flush({ model: 'player', key: { id: id(3) } })
    expect(await database.prisma.player.findUnique({ where: { id: id(3) } })).toMatchObject({ name: 'second' })
    expect(await cache.player.isPersisted({ id: id(3) })).toBe(true)
  })

  test('of a record that the database refuses says so, and a correction passes it', async () => {
    await database.query(`alter table players add constraint positive check (score >= 0)`)
    const where = { id: id(4) }
    await cache.player.upsert({ where, create: { name: 'low', score: -1 }, update: {} })
    const refused = cache.flush({ model: 'player', key: where })
    await expect(refused).rejects.toBeInstanceOf(ParkedError)
    await expect(refused).rejects.toMatchObject({ model: 'Player', keys: [id(4)] })
    expect(await cache.player.isPersisted(where)).toBe(false)
    expect(await cache.player.pending(where)).toMatchObject({
      state: 'parked',
      reason: expect.stringContaining('(23514, constraint positive)'),
      attempts: 1,
      kind: 'upsert',
    })
    await cache.player.update({ where, data: { score: 1 } })
    await cache.flush({ model: 'player', key: where })
    expect(await cache.player.isPersisted(where)).toBe(true)
    expect(await cache.player.pending(where)).toBeNull()
  })
})

function id(n: number): string {
  return `00000000-0000-4000-8000-00000000000${n}`
}
