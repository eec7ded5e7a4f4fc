/** How writes reach Redis: together, in the order of their calls, and within limits. */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { startRedis } from '../environment/redis.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  await database.drop()
})

const quiet = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }

test('operations of one moment on one record apply in the order of their calls', async () => {
  const { redis, namespace, clean } = createRedis()
  const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { counter: quiet } })
  await database.query(`insert into "Counter" values ('a', 1000), ('b', 1000)`)
  const set = (name: string, value: number) => cache.counter.upsert({ where: { name }, create: { value }, update: { value } })
  const add = (name: string) => cache.counter.increment({ name }, { value: 1 })
  await Promise.all([set('a', 7), add('a'), cache.counter.delete({ where: { name: 'a' } }), add('a'), add('a')])
  await Promise.all([add('b'), set('b', 7), add('b'), add('b')])
  await Promise.all([add('c'), cache.counter.delete({ where: { name: 'c' } })])
  await cache.close()
  await clean()
  expect(await database.query('select name, value::text from "Counter" order by name')).toEqual([
    { name: 'a', value: '2' },
    { name: 'b', value: '9' },
  ])
})

describe('a backlog', () => {
  const { redis, namespace, clean } = createRedis()
  afterAll(clean)

  test('refuses clean records past its limit, and goes on taking writes to dirty ones', async () => {
    const cache = await createWriteBehind({
      prisma: database.prisma,
      redis,
      namespace,
      models,
      policies: { counter: { ...quiet, maxDirty: 2 } },
    })
    const writes = await Promise.allSettled(['x', 'y', 'z', 'x'].map((name) => cache.counter.increment({ name }, { value: 1 })))
    expect(writes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(writes[2]).toMatchObject({ reason: { code: 'BACKLOG_FULL', model: 'Counter', key: 'z' } })
    await cache.flush()
    await cache.counter.increment({ name: 'z' }, { value: 1 })
    await cache.close()
    expect(await database.prisma.counter.findMany({ where: { name: { in: ['x', 'y', 'z'] } }, orderBy: { name: 'asc' } })).toEqual([
      { name: 'x', value: 2n },
      { name: 'y', value: 1n },
      { name: 'z', value: 1n },
    ])
  })
})

describe('increments whose sum leaves 64 bits', () => {
  const { redis, namespace, clean } = createRedis()
  afterAll(clean)

  test('are refused one by one; the others count', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { pageView: quiet } })
    await cache.pageView.increment({ path: '/huge' }, { views: 1, bytes: 2n ** 62n })
    const tooMuch = cache.pageView.increment({ path: '/huge' }, { views: 1, bytes: 2n ** 62n })
    await expect(tooMuch).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('within 64 bits') })
    await cache.pageView.increment({ path: '/huge' }, { views: 1, bytes: -1 })
    expect(await cache.pageView.findUnique({ where: { path: '/huge' }, select: { views: true, bytes: true } })).toEqual({
      views: 2n,
      bytes: 2n ** 62n - 1n,
    })
    await cache.close()
    expect(await database.prisma.pageView.findUnique({ where: { path: '/huge' } })).toMatchObject({ views: 2n, bytes: 2n ** 62n - 1n })
  })
})

describe('a Redis of its own', () => {
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis

  beforeEach(async () => {
    server = await startRedis()
    redis = new Redis(server.url, { maxRetriesPerRequest: null })
    redis.on('error', () => {})
  })

  afterEach(async () => {
    redis.disconnect()
    await server.stop()
  })

  test('gets writes of one moment together, and those of one record as one operation', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await cache.counter.increment({ name: 'n0' }, { value: 0 })
    await redis.config('RESETSTAT')
    await Promise.all(Array.from({ length: 1000 }, (_, n) => cache.counter.increment({ name: `n${n % 4}` }, { value: 1 })))
    expect(await commandCalls(redis, 'evalsha')).toBe(1)
    expect(await cache.counter.findUnique({ where: { name: 'n1' } })).toEqual({ name: 'n1', value: 250n })
    expect(await cache.status()).toMatchObject([{ model: 'Counter', dirty: 4, writes: 1001 }])
    await cache.close()
    expect(await database.prisma.counter.findUnique({ where: { name: 'n3' } })).toEqual({ name: 'n3', value: 250n })
  })

  test('gets writes of 4 MiB in a call each', async () => {
    const cache = await createWriteBehind({
      prisma: database.prisma,
      redis,
      models,
      policies: { document: { ...quiet, maxRecordSize: 2 ** 23 } },
    })
    const body = { text: 't'.repeat(4 * 2 ** 20) }
    const write = (n: number) => cache.document.upsert({ where: { id: `${n}` }, create: { title: 't', body }, update: { body } })
    const calls: number[] = []
    cache.events.on('written', ({ records }) => void calls.push(records))
    await Promise.all([0, 1, 2].map(write))
    expect(calls).toEqual([1, 1, 1])
    await redis.flushall()
    await cache.close()
  })
})

async function commandCalls(redis: Redis, command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.info('commandstats'))?.[1] ?? 0)
}
