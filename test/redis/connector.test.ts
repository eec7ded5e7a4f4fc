/** Our connections take over from that of the application how to reach Redis, and nothing else. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { ConfigurationError, createWriteBehind, releaseNamespace } from '../../src/index.js'
import { create, failureOf, open, proxyTo, quick, redis, row, server, still, useConnections } from './connections.js'

useConnections()

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

  test('of a Cluster is refused before anything connects, with what to give instead', async () => {
    let contacts = 0
    const listener = createServer((socket) => {
      contacts++
      socket.destroy()
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const { port } = listener.address() as AddressInfo
    const cluster = new Cluster([{ host: '127.0.0.1', port }], { lazyConnect: true }) as unknown as Redis
    const prisma = { $queryRawUnsafe: async () => contacts++, $transaction: async () => contacts++ } as never
    const create = createWriteBehind({ prisma, redis: cluster, models, policies: { counter: still } })
    for (const refused of [create, releaseNamespace({ redis: cluster })]) {
      const failure = await failureOf(refused)
      expect(failure).toBeInstanceOf(ConfigurationError)
      expect(failure?.message).toMatch(/got an ioredis Cluster; .* is not supported, so give a Redis of ioredis .* with cluster mode off/)
    }
    expect([contacts, cluster.status]).toEqual([0, 'wait'])
    listener.close()
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
