/** What becomes of our connections when Redis changes under them, and what of the application's settings reaches them. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, type Options, type Policy, WriteBehindError } from '../../src/index.js'
import { TcpProxy } from '../chaos/proxy.js'
import { Random } from '../chaos/random.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { createDatabase, type TestDatabase } from '../fixture.js'

const quick = { shards: 2, debounce: 10, maxWait: 20 }
const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
type Caches = Cache<typeof models, { counter: Policy; document: Policy }>

let database: TestDatabase
let server: RedisServer
/** To the server, past any proxy. */
let redis: Redis
let opened: { close(): Promise<unknown> }[]

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  opened = []
  server = await startRedis()
  redis = open({ port: server.port, maxRetriesPerRequest: null })
})

afterEach(async () => {
  for (const each of opened.reverse()) await each.close()
  await server.stop()
  await database.query('truncate "Counter", "Document"')
})

/** A connection of the application's, closed after the test. */
function open(options: RedisOptions): Redis {
  const connection = new Redis({ ...options, host: '127.0.0.1' } as never)
  connection.on('error', () => {})
  opened.push({ close: async () => connection.status === 'end' || connection.disconnect() })
  return connection
}

async function create(connection: Redis, policy: Policy, options: Options = {}): Promise<Caches> {
  const policies = { counter: policy, document: policy }
  const cache = await createWriteBehind({ prisma: database.prisma, redis: connection, models, policies, ...options })
  opened.push({ close: () => cache.close({ deadline: 1000 }) })
  return cache
}

async function proxyTo(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, 'nothing')
  await proxy.start(0)
  opened.push({ close: () => proxy.stop() })
  return proxy
}

const row = async (name: string) => (await database.prisma.counter.findUnique({ where: { name } }))?.value
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: WriteBehindError) => error,
  )

describe('a replica is promoted, and the old primary keeps its connections', () => {
  let replica: RedisServer

  beforeEach(async () => {
    replica = await startRedis()
  })

  afterEach(() => replica.stop())

  async function promote(proxy: TcpProxy): Promise<void> {
    const next = open({ port: replica.port })
    await next.replicaof('127.0.0.1', server.port)
    await expect.poll(() => next.info('replication')).toContain('master_link_status:up')
    await next.replicaof('NO', 'ONE')
    proxy.target = replica.port
    await redis.replicaof('127.0.0.1', String(replica.port))
  }

  test('writes, reads, barriers and jobs go on by themselves, on the new one', async () => {
    const proxy = await proxyTo(server.port)
    const own = open({ port: proxy.port })
    const cache = await create(own, quick)
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => row('a')).toBe(1n)
    await promote(proxy)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 2n })
    await expect.poll(() => row('a')).toBe(2n)
    await cache.counter.increment({ name: 'b' }, { value: 1 })
    await cache.flush({ model: 'counter', key: { name: 'b' } })
    expect(await row('b')).toBe(1n)
    const queue = open({ port: replica.port })
    await expect.poll(async () => Number(await queue.zcard('{write-behind}:queues:write-behind.Counter:completed'))).toBeGreaterThan(0)
  })

  test('a barrier of one record does not take the word of a replica, which may lag behind', async () => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still)
    await cache.flush()
    await promote(proxy)
    // The old primary does not hear of the write.
    await redis.replicaof('127.0.0.1', '1')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush({ model: 'counter', key: { name: 'a' } })
    expect(await row('a')).toBe(1n)
  })

  test('a primary that is cut off from its replicas, and takes no writes for it, is left as well', async () => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still)
    await redis.config('SET', 'min-replicas-to-write', 1)
    proxy.target = replica.port
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await row('a')).toBe(1n)
  })

  test('nothing is written to a replica that takes writes, which it would lose', async () => {
    await redis.config('SET', 'replica-read-only', 'no')
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still)
    await promote(proxy)
    proxy.cut()
    proxy.target = server.port
    const failure = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    proxy.target = replica.port
    expect(await failure).toBeUndefined()
    await cache.flush()
    expect(await row('a')).toBe(1n)
  })
})

class FailingConnector {
  static failures = 0
  readonly #options: { port?: number; where?: number }
  #socket: Socket | undefined

  constructor(options: unknown) {
    this.#options = options as { port?: number; where?: number }
  }

  check(): boolean {
    return true
  }

  disconnect(): void {
    this.#socket?.end()
  }

  async connect(): Promise<Socket> {
    if (FailingConnector.failures > 0) {
      FailingConnector.failures--
      throw new Error('the way to Redis is not known just now')
    }
    this.#socket = connect(this.#options.where as number, '127.0.0.1')
    return this.#socket
  }
}

describe('a setting of the application', () => {
  const settings: [string, RedisOptions & { where?: number }][] = [
    ['that gives up', { retryStrategy: () => null }],
    ['that gives up at the Sentinels', { sentinelRetryStrategy: () => null }],
    ['that never reconnects', { reconnectOnError: () => false, maxRetriesPerRequest: 1 }],
    ['that reconnects at every error, and resends', { reconnectOnError: () => 2 }],
    ['that cuts commands', { commandTimeout: 1, socketTimeout: 1, blockingTimeout: 1 }],
    ['that cuts connections', { connectTimeout: 1 }],
    ['that makes numbers strings', { stringNumbers: true }],
    ['that makes replies objects', { protocol: 3, replyMapping: 'resp3' }],
    ['of the protocol before', { protocol: 2 }],
    ['that has commands gathered', { enableAutoPipelining: true }],
    ['that queues nothing', { enableOfflineQueue: false, offlineQueue: false, autoResendUnfulfilledCommands: false }],
    ['that does not connect by itself, or look whether Redis is ready', { lazyConnect: true, enableReadyCheck: false }],
    ['for reading', { readOnly: true }],
    ['that redefines our scripts', { scripts: { writeBehind_write: { lua: 'return 1', numberOfKeys: 1 } } }],
  ]

  test.each(settings)('%s does not reach our connections', async (_, given) => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ ...given, port: proxy.port, lazyConnect: true }), quick)
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => row('a')).toBe(1n)
    await server.restart()
    await cache.counter.increment({ name: 'a' }, { value: 2 ** 40 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 2n ** 40n + 1n })
    await expect.poll(() => row('a')).toBe(2n ** 40n + 1n)
    expect(await cache.counter.isPersisted({ name: 'a' })).toBe(true)
    expect(await cache.status()).toMatchObject([{ writes: 2, dirty: 0 }, {}])
    expect(await cache.close()).toEqual({ flushed: 0, dirty: 0, parked: 0 })
  })

  test('that names a user, a password, a database and the connection is used', async () => {
    await redis.acl('SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all')
    const own = open({ port: server.port, username: 'app', password: 'secret', db: 3, connectionName: 'ours', lazyConnect: true })
    const cache = await create(own, still)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await redis.info('keyspace')).toContain('db3:')
    expect(await redis.client('LIST')).toMatch(/name=ours .*db=3 .*user=app/)
  })

  test('that is a connector of its own finds Redis again, also when it fails for a while', async () => {
    const own = { Connector: FailingConnector, where: server.port, lazyConnect: true, retryStrategy: () => null } as unknown as RedisOptions
    const cache = await create(open(own), quick)
    await cache.startWorker()
    await server.kill('SIGKILL')
    FailingConnector.failures = 30
    await server.restart()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => row('a')).toBe(1n)
  })

  const refused: [string, () => unknown, string][] = [
    ['a Cluster', () => new Cluster([{ port: 1 }], { lazyConnect: true }), 'got an ioredis Cluster; Redis Cluster is not supported'],
    ['a replica', () => new Redis({ lazyConnect: true, role: 'slave', sentinels: [{}], name: 'x' }), "got the option role: 'slave'"],
    ['a prefix', () => new Redis({ lazyConnect: true, keyPrefix: 'app:' }), 'expected a connection without keyPrefix'],
    ['a URL', () => 'redis://:secret@127.0.0.1', 'expected a connection of ioredis, got string'],
    ['nothing', () => undefined, 'expected a connection of ioredis, got undefined'],
  ]

  test.each(refused)('of %s is refused by name', async (_, make, message) => {
    const failure = await failureOf(create(make() as Redis, still))
    expect(failure).toMatchObject({ code: 'CONFIGURATION', message: expect.stringContaining(message) })
    expect(failure?.message).not.toContain('secret')
  })
})

/** Passes on so many bytes a second, in one direction. */
async function throttle(target: number, rate: number, slow: 'request' | 'reply'): Promise<number> {
  const sockets: Socket[] = []
  const pump = (from: Socket, to: Socket, isSlow: boolean) => {
    sockets.push(from)
    from.on('error', () => {})
    from.on('close', () => to.destroy())
    from.on('data', (chunk: Buffer) => {
      to.write(chunk)
      if (!isSlow) return
      from.pause()
      setTimeout(() => from.resume(), (chunk.length / rate) * 1000)
    })
  }
  const proxy = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    pump(client, upstream, slow === 'request')
    pump(upstream, client, slow === 'reply')
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  opened.push({
    close: async () => {
      proxy.close()
      for (const socket of sockets) socket.destroy()
    },
  })
  return (proxy.address() as AddressInfo).port
}

describe('a slow way to Redis', () => {
  const where = { id: 'large' }
  const body = { text: 'x'.repeat(5 * 2 ** 20) }
  const large = { ...still, maxRecordSize: 2 ** 23 }
  const write = (cache: Caches) => cache.document.upsert({ where, create: { title: 't', body }, update: { body } })

  test('takes a large write for as long as its bytes move, and it is stored once', async () => {
    const cache = await create(open({ port: await throttle(server.port, 2 ** 19, 'request') }), large, { writeTimeout: 6000 })
    await write(cache)
    const direct = await create(open({ port: server.port }), large)
    expect(await direct.status()).toMatchObject([{}, { writes: 1, dirty: 1 }])
  })

  test('brings a large row for as long as its bytes move', async () => {
    const direct = await create(open({ port: server.port }), large)
    await write(direct)
    const cache = await create(open({ port: await throttle(server.port, 2 ** 19, 'reply') }), large, { writeTimeout: 6000 })
    expect(await cache.document.findUnique({ where })).toMatchObject({ body })
  })

  test('that passes nothing on is given up, whatever else is sent meanwhile', async () => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still, { writeTimeout: 6000 })
    proxy.halfOpen('request', 1, new Random(1))
    const reads = setInterval(() => void cache.counter.findUnique({ where: { name: 'b' } }).catch(() => {}), 100)
    const writing = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    expect(await writing).toBeUndefined()
    clearInterval(reads)
  })
})

describe('an error of Redis', () => {
  async function restricted(rules: string[]): Promise<Caches> {
    await redis.acl('SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all')
    const cache = await create(open({ port: server.port, username: 'app', password: 'secret' }), still, { writeTimeout: 3000 })
    await cache.counter.increment({ name: 'before' }, { value: 1 })
    await redis.acl('SETUSER', 'app', ...rules)
    return cache
  }

  test('before the script began says that nothing was stored, and why', async () => {
    const cache = await restricted(['-evalsha', '-eval'])
    const write = await failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    expect(write).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'Counter: Redis is not available: NOPERM: the user lacks a right in Redis that the call needs',
    })
    const calls: (() => Promise<unknown>)[] = [
      () => cache.flush(),
      () => cache.flush({ model: 'counter', key: { name: 'before' } }),
      () => cache.status(),
      () => cache.counter.findUnique({ where: { name: 'a' } }),
      () => cache.counter.isPersisted({ name: 'a' }),
      () => cache.counter.pending({ name: 'a' }),
      () => cache.counter.invalidate({ name: 'a' }),
    ]
    for (const call of calls) {
      const failure = await failureOf(call())
      expect(failure).toBeInstanceOf(WriteBehindError)
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('NOPERM: the user lacks a right') })
    }
    await redis.acl('SETUSER', 'app', '+@all')
  })

  test('of a command outside of scripts is named as well', async () => {
    const cache = await restricted(['-hgetall', '-time'])
    const named = { code: 'UNAVAILABLE', message: expect.stringContaining('NOPERM') }
    for (const call of [() => cache.flush(), () => cache.status(), () => cache.parked()])
      expect(await failureOf(call())).toMatchObject(named)
    await redis.acl('SETUSER', 'app', '+@all')
  })

  test('within the script that writes leaves it open what was stored, and says so', async () => {
    const cache = await restricted(['-zadd'])
    expect(await failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringMatching(
        /the user lacks a right in Redis that the call needs; it was refused within a script, which may have done a part/,
      ),
    })
    await redis.acl('SETUSER', 'app', '+@all')
  })

  test('of a key that holds something else is named', async () => {
    const cache = await create(open({ port: server.port }), still)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    for (const key of await redis.keys('*:dirty')) await redis.set(key, 'text')
    for (const key of await redis.keys('*dirty')) await redis.set(key, 'text')
    const failure = await failureOf(cache.flush())
    expect(failure).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('WRONGTYPE: a key holds what this library did not put there'),
    })
    for (const key of await redis.keys('*dirty')) await redis.del(key)
  })

  test('that turns connections away is the reason that is given', async () => {
    const cache = await create(open({ port: server.port }), still, { writeTimeout: 2000 })
    const first = open({ port: server.port, lazyConnect: true })
    await redis.config('SET', 'maxclients', 1)
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const reason = expect.stringContaining('max number of clients reached')
    await expect
      .poll(() => failureOf(cache.counter.increment({ name: 'a' }, { value: 1 })))
      .toMatchObject({ code: 'UNAVAILABLE', message: reason })
    await expect.poll(() => failureOf(cache.flush({ timeout: 1000 }))).toMatchObject({ code: 'TIMEOUT', message: reason })
    expect(await failureOf(cache.status())).toMatchObject({ code: 'UNAVAILABLE', message: reason })
    expect(await failureOf(cache.startWorker())).toMatchObject({ code: 'UNAVAILABLE', message: reason })
    expect(await failureOf(create(first, still))).toMatchObject({ code: 'UNAVAILABLE', message: reason })
    await redis.config('SET', 'maxclients', 1000)
  })

  test('that turns the first connection away is the reason that is given, whatever else comes of it', async () => {
    const silent = createServer((socket) => void socket.resume().once('data', () => socket.end()))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    opened.push({ close: async () => void silent.close() })
    const { port } = silent.address() as AddressInfo
    const failure = await failureOf(create(open({ port, lazyConnect: true }), still))
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('max number of clients reached') })
  })

  test('that will pass is waited for once', async () => {
    const cache = await create(open({ port: server.port }), still, { writeTimeout: 2000 })
    await redis.config('SET', 'min-replicas-to-write', 1)
    const ended: string[] = []
    const write = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 })).then((error) => ended.push('write') && error)
    const later = failureOf(cache.counter.findUnique({ where: { name: 'a' } }))
      .then(() => new Promise((resolve) => setTimeout(resolve, 1000)))
      .then(() => ended.push('later'))
    expect(await write).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('NOREPLICAS') })
    await later
    expect(ended).toEqual(['write', 'later'])
    await redis.config('SET', 'min-replicas-to-write', 0)
  })

  test('that refuses the password is named, and does not tell it', async () => {
    const failure = await failureOf(create(open({ port: server.port, username: 'app', password: 'a secret', lazyConnect: true }), still))
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('WRONGPASS') })
    expect(failure?.message).not.toContain('secret')
  })
})
