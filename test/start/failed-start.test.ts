/** What a start that fails, and a cache that is closed, leave behind when Redis is away. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, UnavailableError } from '../../src/index.js'
import { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { createDatabase } from '../fixture.js'

/** A little longer than the pause between two looks whether Redis still names the database. */
const LOOK = 2500
const policies = { counter: {} }

let server: RedisServer
let redis: Redis

beforeEach(async () => {
  server = await startRedis()
  redis = new Redis(server.url, { lazyConnect: true })
})

afterEach(async () => {
  vi.restoreAllMocks()
  await server.stop()
})

async function countAsks(): Promise<number> {
  const ask = vi.spyOn(RetryingConnection.prototype, 'ask')
  await sleep(LOOK)
  return ask.mock.calls.length
}

test('a start that loses Redis while the database is away asks Redis nothing more', async () => {
  const $queryRawUnsafe = async () => {
    await server.kill('SIGKILL')
    throw new Error('the database is away')
  }
  const start = createWriteBehind({ prisma: { $queryRawUnsafe }, redis, models, policies, writeTimeout: 300 })
  await expect(start).rejects.toThrow(UnavailableError)
  expect(await countAsks()).toBe(0)
})

test('a cache that is closed while Redis is away asks Redis nothing more', async () => {
  const database = await createDatabase()
  try {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies, writeTimeout: 300 })
    await server.kill('SIGKILL')
    // The connections now wait between two attempts to connect.
    await sleep(200)
    await cache.close({ deadline: 0 })
    expect(await countAsks()).toBe(0)
  } finally {
    await database.drop()
  }
})
