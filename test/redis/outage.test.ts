/** A Redis that is full, away, or without its replicas: what callers are told, and that nothing acknowledged is lost. */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type WriteBehindError } from '../../src/index.js'
import { startRedis } from '../environment/redis.js'
import { createDatabase, type TestDatabase } from '../fixture.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  await database.drop()
})

const quiet = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }

describe('a Redis', () => {
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

  test('that is full refuses writes with a typed error, loses nothing dirty, and takes writes again after a flush', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { document: { ...quiet, viewTtl: 1 } } })
    const title = 'x'.repeat(80)
    const write = (n: number) =>
      cache.document.upsert({ where: { id: `full ${n}` }, create: { title, body: { text: 'y'.repeat(2000) } }, update: { title } })
    await write(0)
    await redis.config('SET', 'maxmemory', Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) + 3_000_000)
    let written = 1
    let failure: unknown
    while (failure === undefined && written < 5000) {
      failure = await write(written).catch((error: unknown) => error)
      if (failure === undefined) written++
    }
    expect(failure).toMatchObject({ code: 'REDIS_FULL', model: 'Document' })
    await cache.flush()
    expect(await database.prisma.document.count({ where: { id: { startsWith: 'full' } } })).toBe(written)
    await vi.waitFor(() => write(written), 30_000)
    expect(await cache.close()).toEqual({ flushed: 1, dirty: 0, parked: 0 })
    expect(await database.prisma.document.count({ where: { id: { startsWith: 'full' } } })).toBe(written + 1)
  })

  test('that is away for a moment keeps writes waiting, and stores each once', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await cache.counter.increment({ name: 'away' }, { value: 1 })
    // While it waits for an fsync of its file, as at its start, Redis answers before it writes.
    await expect.poll(() => redis.info('persistence')).toContain('aof_buffer_length:0')
    await server.kill('SIGKILL')
    const writes = Promise.all(Array.from({ length: 10 }, () => cache.counter.increment({ name: 'away' }, { value: 1 })))
    await server.restart()
    await writes
    expect(await cache.counter.findUnique({ where: { name: 'away' } })).toEqual({ name: 'away', value: 11n })
    await cache.close()
    expect(await database.prisma.counter.findUnique({ where: { name: 'away' } })).toEqual({ name: 'away', value: 11n })
  })

  test('that stays away: a write fails, saying that nothing was stored', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet }, writeTimeout: 2000 })
    await server.kill('SIGKILL')
    await expect
      .poll(() => cache.counter.increment({ name: 'gone' }, { value: 1 }).catch((error: { code: string }) => error.code))
      .toBe('UNAVAILABLE')
    await expect(cache.flush({ timeout: 300 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    await expect(cache.status()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(cache.parked()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await cache.close({ deadline: 500 })).toEqual({ flushed: 0, dirty: undefined, parked: undefined })
    await expect(cache.status()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(cache.parked()).rejects.toMatchObject({ code: 'CLOSED' })
    const next = createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await expect(next).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') })
  })

  test('that turns writes away, as without its replicas, is waited for by a flush', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await cache.counter.set({ name: 'replicas' }, { value: 1 })
    await redis.config('SET', 'min-replicas-to-write', 1)
    await expect
      .poll(() => cache.flush({ timeout: 300 }).catch(({ code, message }: WriteBehindError) => `${code} ${message}`))
      .toMatch(/^UNAVAILABLE .*NOREPLICAS/)
    const flushing = cache.flush()
    await new Promise((resolve) => setTimeout(resolve, 300))
    await redis.config('SET', 'min-replicas-to-write', 0)
    expect(await flushing).toEqual({ records: 1 })
    await cache.close()
  })

  test('that is away when a worker is to start: it says so, and starts when it is told again', async () => {
    const own = new Redis(server.url, { maxRetriesPerRequest: null, lazyConnect: true })
    const policies = { counter: { debounce: 10, maxWait: 10 } }
    const cache = await createWriteBehind({ prisma: database.prisma, redis: own, models, policies, writeTimeout: 3000 })
    await server.kill('SIGKILL')
    await expect(cache.startWorker()).rejects.toMatchObject({ code: 'UNAVAILABLE', model: 'Counter' })
    await server.restart()
    await vi.waitFor(() => cache.startWorker(), 30_000)
    await cache.counter.set({ name: 'worker' }, { value: 1 })
    await expect.poll(() => database.prisma.counter.findUnique({ where: { name: 'worker' } })).toEqual({ name: 'worker', value: 1n })
    await cache.close()
  })
})
