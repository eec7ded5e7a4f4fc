/** What the library does about a Redis that is not safe, at the start or later, or that is full. */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, type Options, type Policy, type WriteBehindError } from '../../src/index.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { freePort } from '../environment/server.js'
import { createDatabase, type TestDatabase } from '../fixture.js'

const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
/** A look every 250 ms. */
const often = { sweepInterval: 50 }

let database: TestDatabase
let server: RedisServer
let redis: Redis
let caches: Cache<typeof models, { counter: Policy }>[]
let said: string[]

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  caches = []
  said = []
  server = await startRedis()
  redis = new Redis(server.url, { maxRetriesPerRequest: null })
  redis.on('error', () => {})
})

afterEach(async () => {
  for (const cache of caches) await cache.close({ deadline: 1000 })
  redis.disconnect()
  await server.stop()
  await database.query('truncate "Counter"')
})

async function create(options: Options = often, policy: Policy = still): Promise<(typeof caches)[number]> {
  const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: policy }, ...options })
  cache.events.on('failure', ({ step, error }) => void (step === 'safety' && said.push(error.message)))
  caches.push(cache)
  return cache
}

const write = (cache: (typeof caches)[number]) => cache.counter.increment({ name: 'a' }, { value: 1 })
const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error: WriteBehindError) => error.code,
  )
const row = async () => (await database.prisma.counter.findUnique({ where: { name: 'a' } }))?.value

describe('an eviction policy that is changed after the start', () => {
  test('refuses writes before they are sent, and lets flushes go on, until it is changed back', async () => {
    const cache = await create()
    await write(cache)
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await expect.poll(() => codeOf(write(cache))).toBe('UNSAFE_REDIS')
    const { writes } = (await cache.status())[0] as { writes: number }
    expect(await codeOf(write(cache))).toBe('UNSAFE_REDIS')
    expect(await cache.status()).toMatchObject([{ writes }])
    expect(said).toEqual([
      expect.stringMatching(/expected maxmemory-policy noeviction, .* got allkeys-lru; writes are refused until it is mended/),
    ])
    await cache.flush()
    expect(await row()).toBe(BigInt(writes))
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    await expect.poll(() => codeOf(write(cache))).toBe('done')
  })

  test('is a warning where that is wanted, at the start too', async () => {
    await redis.config('SET', 'maxmemory-policy', 'volatile-ttl')
    const warnings: string[] = []
    const listen = ({ message }: Error) => void warnings.push(message)
    process.on('warning', listen)
    const cache = await create({ ...often, onUnsafeRedis: 'warn' })
    await write(cache)
    await expect.poll(() => warnings.filter((each) => each.includes('got volatile-ttl'))).toHaveLength(1)
    process.off('warning', listen)
  })

  test('is found on a new connection before it carries a write', async () => {
    const cache = await create({ sweepInterval: 3_600_000 })
    await write(cache)
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const writing = Array.from({ length: 20 }, (_, n) => codeOf(cache.counter.increment({ name: `${n}` }, { value: 1 })))
    // A write that was sent before the old connection was seen to break may have been stored.
    for (const code of await Promise.all(writing)) expect(['UNSAFE_REDIS', 'OUTCOME_UNKNOWN']).toContain(code)
    expect(await cache.status()).toMatchObject([{ writes: 1 }])
  })

  test('is reported when keys were evicted meanwhile, even if it was changed back', async () => {
    await create()
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    for (let n = 0; n < 1000; n++) await redis.set(`junk ${n}`, 'x'.repeat(1000))
    await redis.config('SET', 'maxmemory', Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) - 300_000)
    await redis.set('one more', 'x')
    await redis.config('SET', 'maxmemory', 0)
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    await expect.poll(() => said.join()).toMatch(/it has evicted [1-9]\d* key\(s\), which may have held writes/)
  })
})

test('appendonly that is switched off later is a warning, once', async () => {
  const cache = await create()
  await redis.config('SET', 'appendonly', 'no')
  await expect.poll(() => said.join()).toMatch(/appendonly is off/)
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await write(cache)
  expect(said.filter((each) => each.includes('appendonly'))).toHaveLength(1)
})

test('a Redis that may evict is refused at the start', async () => {
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
  const refused = create()
  await expect(refused).rejects.toMatchObject({
    code: 'UNSAFE_REDIS',
    message: expect.stringContaining('expected maxmemory-policy noeviction'),
  })
})

test('a replica is refused at the start', async () => {
  await redis.replicaof('127.0.0.1', '1')
  await expect(create()).rejects.toMatchObject({
    code: 'UNSAFE_REDIS',
    message: expect.stringContaining('expected a primary, got a replica'),
  })
})

test('a node of a Redis Cluster is refused at the start', async () => {
  const node = await startRedis({ arguments: ['--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`] })
  const own = new Redis(node.url)
  await own.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383)
  const refused = createWriteBehind({ prisma: database.prisma, redis: own, models, policies: { counter: still } })
  await expect(refused).rejects.toMatchObject({ code: 'UNSAFE_REDIS', message: expect.stringContaining('cluster_enabled:1') })
  own.disconnect()
  await node.stop()
})

test('a warning names what Redis does not tell this user', async () => {
  const cache = await create()
  await redis.acl('SETUSER', 'default', '-info', '-config')
  const warnings: string[] = []
  const listen = ({ message }: Error) => void warnings.push(message)
  process.on('warning', listen)
  await write(cache)
  await expect
    .poll(() => warnings.join())
    .toMatch(/it does not tell whether it may evict writes \(maxmemory-policy must be noeviction\), its version .*the right to INFO/)
  process.off('warning', listen)
  await redis.acl('SETUSER', 'default', '+@all')
})

describe('a Redis that is full', () => {
  async function fill(): Promise<void> {
    const cache = await create()
    for (let n = 0; n < 500; n++) await cache.counter.increment({ name: `full ${n}` }, { value: 1 })
    await cache.close({ deadline: 0 })
    await redis.config('SET', 'maxmemory', 1)
    await expect(redis.set('one more', 'x')).rejects.toThrow('OOM')
  }

  test('lets a process start, whose barrier drains it', async () => {
    await fill()
    const cache = await create()
    expect(await codeOf(write(cache))).toBe('REDIS_FULL')
    expect(await cache.flush()).toEqual({ records: 500 })
    expect(await database.prisma.counter.count()).toBe(500)
  })

  test('lets a process start that brings the first records of a model', async () => {
    await redis.config('SET', 'maxmemory', 1)
    const cache = await create()
    expect(await codeOf(write(cache))).toBe('REDIS_FULL')
  })

  test('lets a worker start', async () => {
    await fill()
    const cache = await create()
    await cache.startWorker()
    await cache.flush()
    expect(await database.prisma.counter.count()).toBe(500)
  })
})
