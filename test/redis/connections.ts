/** A Redis for each test, and caches that reach it in the way that a test makes. Importing it registers hooks in the test file. */
import { Redis, type RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, type Options, type Policy, type WriteBehindError } from '../../src/index.js'
import { TcpProxy } from '../chaos/proxy.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { createDatabase, type TestDatabase } from '../fixture.js'

export const quick = { shards: 2, debounce: 10, maxWait: 20 }
export const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
export type Caches = Cache<typeof models, { counter: Policy; document: Policy }>

export let database: TestDatabase
export let server: RedisServer
/** To the server, past any proxy. */
export let redis: Redis
export let opened: { close(): Promise<unknown> }[]

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
export function open(options: RedisOptions): Redis {
  const connection = new Redis({ ...options, host: '127.0.0.1' } as never)
  connection.on('error', () => {})
  opened.push({ close: async () => connection.status === 'end' || connection.disconnect() })
  return connection
}

export async function create(connection: Redis, policy: Policy, options: Options = {}): Promise<Caches> {
  const policies = { counter: policy, document: policy }
  const cache = await createWriteBehind({ prisma: database.prisma, redis: connection, models, policies, ...options })
  opened.push({ close: () => cache.close({ deadline: 1000 }) })
  return cache
}

export async function proxyTo(target: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, 'nothing')
  await proxy.start(0)
  opened.push({ close: () => proxy.stop() })
  return proxy
}

export const row = async (name: string) => (await database.prisma.counter.findUnique({ where: { name } }))?.value
export const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: WriteBehindError) => error,
  )
