/** Hears all that the library says to anybody, and fails a test in which a secret is heard. Importing it registers hooks in the test file. */
import { inspect } from 'node:util'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'
import { models } from '../generated/write-behind.js'
import { type Cache, createWriteBehind, type Policies } from '../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

export const REDIS_PASSWORD = 'kanarie-redis-1f9c'
export const DATABASE_PASSWORD = 'kanarie-postgres-77ab'
export const TEXT = 'kanarie-text-40d2'
export const NUMBER = 1_987_654_321
export const KEY = 'kanarie-key-c01e'
export const BYTES = Buffer.from('kanarie-bytes')
/** In every form that a sink could have them in. */
const SECRETS = [REDIS_PASSWORD, DATABASE_PASSWORD, TEXT, String(NUMBER), BYTES.toString('hex'), BYTES.toString('base64'), 'kanarie-bytes']

export const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
export const quick = { shards: 1, debounce: 20, maxWait: 100, backoff: 50, attempts: 2 }
const { redis, namespace, empty, clean } = createRedis()

export { namespace, redis }

export const exporter = new InMemorySpanExporter()
const open: { close(options?: { deadline?: number }): Promise<unknown> }[] = []
export const connections: Redis[] = []
export const user = `user-${namespace}`
/** All that was said to anybody. */
export const said: string[] = []
export let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  await redis.call('ACL', 'SETUSER', user, 'on', `>${REDIS_PASSWORD}`, '~*', '&*', '+@all')
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  process.on('warning', hear)
})

afterEach(async () => {
  await redis.call('ACL', 'SETUSER', user, '+@all')
  await Promise.all(open.splice(0).map((cache) => cache.close({ deadline: 3000 })))
  for (const connection of connections.splice(0)) connection.disconnect()
  hear(exporter.getFinishedSpans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status })))
  exporter.reset()
  await hearRedis()
  await empty()
  await database.query('drop trigger if exists tell on "Document"')
  await database.query('truncate "Document", "Counter", write_behind_ledger')
  const all = said.splice(0)
  for (const secret of SECRETS) expect(all.filter((text) => text.includes(secret))).toEqual([])
})

afterAll(async () => {
  process.off('warning', hear)
  trace.disable()
  context.disable()
  await redis.call('ACL', 'DELUSER', user)
  await clean()
  await database.drop()
})

/** Takes down all that can be seen of something. */
export function hear(what: unknown): void {
  said.push(inspect(what, { depth: 10, showHidden: true, maxStringLength: null, maxArrayLength: null }), JSON.stringify(what) ?? '')
  if (what instanceof Error)
    said.push(
      String(what.stack),
      JSON.stringify(Object.fromEntries(Object.getOwnPropertyNames(what).map((name) => [name, Reflect.get(what, name)]))),
    )
}

/** Jobs, with their logs; their data and results are what others see of them. */
async function hearRedis(): Promise<void> {
  for (const key of await redis.keys(`{${namespace}}:queues*`)) {
    const type = await redis.type(key)
    if (type === 'hash') hear(await redis.hgetall(key))
    else if (type === 'list') hear(await redis.lrange(key, 0, -1))
    else if (type === 'stream') hear(await redis.xrange(key, '-', '+'))
  }
}

export async function connect<const P extends Policies<typeof models>>(policies: P, url?: string): Promise<Cache<typeof models, P>> {
  const connection = url === undefined ? redis : new Redis(url, { lazyConnect: true })
  if (url !== undefined) connections.push(connection)
  const cache = await createWriteBehind({ prisma: database.prisma, redis: connection, namespace, models, policies, writeTimeout: 1500 })
  open.push(cache)
  for (const name of ['failure', 'parked', 'flushed', 'adopted'] as const) cache.events.on(name, hear)
  return cache
}

export function redisUrl(password = REDIS_PASSWORD): string {
  const url = new URL(inject('redisUrl'))
  ;[url.username, url.password] = [user, password]
  return url.toString()
}

/** Resolves to the error, which is heard. */
export async function failing(task: () => Promise<unknown>): Promise<Error> {
  try {
    await task()
  } catch (error) {
    hear(error)
    return error as Error
  }
  throw new Error('expected a failure')
}
