/** A right of the user is taken away in Redis and given back: scripts stop at the command that is refused. */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const HOUR = 3_600_000
const still = { shards: 1, debounce: HOUR, maxWait: HOUR }
const policies = { counter: still, player: still } as const
const id = '00000000-0000-4000-8000-000000000001'
const where = { id }

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
let redis: Redis
let user: string
let cache: Cache<typeof models, typeof policies>

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  user = randomUUID()
  await rights('on', 'nopass', '~*', '&*', '+@all')
  const url = new URL(inject('redisUrl'))
  url.username = user
  url.password = 'any'
  redis = new Redis(url.toString(), { maxRetriesPerRequest: null })
  cache = await createWriteBehind({ prisma: database.prisma, redis, namespace: connection.namespace, models, policies })
})

afterEach(async () => {
  await cache.close({ deadline: 1000 }).catch(() => {})
  redis.disconnect()
  await connection.redis.call('ACL', 'DELUSER', user)
  await connection.clean()
  await database.query('truncate "Counter", players')
})

async function rights(...rules: string[]): Promise<void> {
  await connection.redis.call('ACL', 'SETUSER', user, ...rules)
}

const count = (name: string) => cache.counter.increment({ name }, { value: 1 })
const names = Array.from({ length: 200 }, (_, n) => `n${n}`)

async function total(): Promise<string> {
  const [row] = await database.query<{ total: string }>('select coalesce(sum(value), 0)::text as total from "Counter"')
  return row?.total as string
}

test.each(['zrank', 'hset', 'hdel', 'zremrangebyrank', 'del', 'set'])('a claim that may not run %s loses nothing', async (command) => {
  await Promise.all(names.map(count))
  await rights(`-${command}`)
  await expect(cache.flush({ timeout: 2000 })).rejects.toThrow()
  await rights(`+${command}`)
  await Promise.all(names.map(count))
  await cache.flush()
  expect(await total()).toBe('400')
  expect(await cache.counter.isPersisted({ name: 'n7' })).toBe(true)
})

test.each(['hget', 'zadd', 'hset', 'set', 'hincrby', 'rename'])(
  'a call that stops at %s loses nothing of what is written afterwards',
  async (command) => {
    await Promise.all(names.map(count))
    await rights(`-${command}`)
    await Promise.allSettled([...names.map(count), ...names.map((name) => cache.counter.max({ name }, { value: 1 })), count('new')])
    await rights(`+${command}`)
    await Promise.all([...names.map(count), count('new')])
    expect(await cache.counter.isPersisted({ name: 'new' })).toBe(false)
    await cache.flush({ model: 'counter', key: { name: 'new' } })
    await cache.flush()
    const rows = await database.query<{ name: string; value: string }>('select name, value::text from "Counter"')
    expect(rows).toHaveLength(names.length + 1)
    for (const { name, value } of rows) expect(name === 'new' ? ['1', '2'] : ['2', '3']).toContain(value)
  },
)

test('a view that followed half of a write is dropped', async () => {
  await database.query(`insert into players (player_id, display_name, score) values ('${id}', 'old', 5)`)
  expect(await cache.player.findUnique({ where })).toMatchObject({ name: 'old', score: 5 })
  await rights('-hincrby')
  await expect(cache.player.update({ where, data: { name: 'new', score: { increment: 1 } } })).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
  })
  await rights('+hincrby')
  expect(await cache.player.findUnique({ where })).toMatchObject({ name: 'old', score: 5 })
})

test('a change that is not in the index is found by a sweep', async () => {
  await Promise.all(names.map(count))
  const prefix = shardPrefix(connection.namespace, 'Counter', 0)
  await connection.redis.del(`${prefix}dirty`)
  await cache.close({ drain: 'none' })
  const sweeping = { prisma: database.prisma, redis, namespace: connection.namespace, models, policies, sweepInterval: 50 }
  cache = await createWriteBehind(sweeping)
  const dirty = async () => (await cache.status())[0]?.dirty
  expect(await dirty()).toBe(0)
  await cache.startWorker()
  await expect.poll(dirty).toBe(200)
  await cache.flush()
  expect(await total()).toBe('200')
})

test('a hash that is not in the index is not persisted, and is flushed with its record', async () => {
  await count('a')
  await cache.counter.max({ name: 'a' }, { value: 7 })
  await connection.redis.del(`${shardPrefix(connection.namespace, 'Counter', 0)}dirty`)
  expect(await cache.counter.isPersisted({ name: 'a' })).toBe(false)
  await cache.flush({ model: 'counter', key: { name: 'a' } })
  expect(await total()).toBe('7')
})
