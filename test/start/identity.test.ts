/** A namespace belongs to one database: whatever else is brought is refused before it writes anything. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { ConfigurationError, createWriteBehind, releaseNamespace, type SqlClient } from '../../src/index.js'
import { identityKey, identityShard } from '../../src/redis/keys.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
let connection: ReturnType<typeof createRedis>
let databases: TestDatabase[]
let database: TestDatabase
let closing: (() => Promise<unknown>)[]
let warn: ReturnType<typeof vi.spyOn>

beforeEach(async () => {
  warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  connection = createRedis()
  databases = []
  closing = []
  database = await another()
})

afterEach(async () => {
  for (const close of closing) await close()
  await connection.clean()
  for (const each of databases) await each.drop()
  warn.mockRestore()
})

async function another(): Promise<TestDatabase> {
  const each = await createDatabase()
  databases.push(each)
  return each
}

async function start({ prisma }: { prisma: SqlClient } = database, policies: Record<string, object> = { counter: still }) {
  const { redis, namespace } = connection
  const cache = await createWriteBehind({ prisma, redis, namespace, models, policies: policies as { counter: typeof still } })
  closing.push(() => cache.close({ deadline: 3_000 }))
  return cache
}

async function write(cache: Awaited<ReturnType<typeof start>>, name: string): Promise<void> {
  await cache.counter.increment({ name }, { value: 1 })
}

async function contents(each: TestDatabase = database): Promise<string[]> {
  return (await each.query<{ name: string }>('select name from "Counter" order by name')).map(({ name }) => name)
}

const ledger = (each: TestDatabase = database) => each.query('select * from write_behind_ledger order by shard')
const keys = () => connection.redis.keys(`{${connection.namespace}*`)
const warnings = () => warn.mock.calls.map(([message]: unknown[]) => String(message)).join('\n')
const nameOf = ({ url }: TestDatabase) => new URL(url).pathname.slice(1)
const identity = () => connection.redis.hgetall(identityKey(connection.namespace))

test('another database under the same namespace is refused by name, and nothing of it is written', async () => {
  const cache = await start()
  await write(cache, 'a')
  const other = await another()
  const before = await keys()
  for (const policies of [{ counter: still }, { counter: { ...still, shards: 5 } }, { player: still }]) {
    const error = await start(other, policies).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(String(error)).toContain(nameOf(database))
    expect(String(error)).toContain(nameOf(other))
  }
  expect(await ledger(other)).toEqual([])
  expect((await keys()).sort()).toEqual(before.sort())
  await cache.flush()
  expect(await contents()).toEqual(['a'])
})

test('the same database is taken again, with more models, and by ten processes at once', async () => {
  await Promise.all(Array.from({ length: 10 }, () => start()))
  await start(database, { counter: still, player: still })
  await start()
  expect(await ledger()).toHaveLength(1)
  const bound = Object.entries(await identity()).filter(([field]) => field !== ':namespace')
  expect(bound.map(([field]) => field).sort()).toEqual(['Counter', 'Player'])
  expect(new Set(bound.map(([, value]) => value)).size).toBe(1)
})

test('of two databases that come at once, all processes of one are taken and all of the other refused', async () => {
  const other = await another()
  const attempts = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      start(n % 2 === 0 ? database : other).then(
        () => 'taken',
        (error: Error) => error.name,
      ),
    ),
  )
  const [even, odd] = [0, 1].map((rest) => new Set(attempts.filter((_, n) => n % 2 === rest)))
  expect([even, odd].map((set) => [...(set as Set<string>)].join()).sort()).toEqual(['ConfigurationError', 'taken'])
})

test('a start that dies between the ledger and Redis is completed by the next one', async () => {
  await start()
  const before = await identity()
  await connection.redis.del(identityKey(connection.namespace))
  await start()
  expect(await identity()).toEqual(before)
})

test('an emptied Redis is bound again, said, and views of before are not served', async () => {
  const cache = await start()
  await write(cache, 'a')
  await cache.flush()
  expect(await cache.counter.findUnique({ where: { name: 'a' } })).toMatchObject({ value: 1n })
  await database.query('update "Counter" set value = 7')
  await connection.redis.del(identityKey(connection.namespace))
  const later = await start()
  expect(warnings()).toContain('was emptied, or is another one')
  expect(await later.counter.findUnique({ where: { name: 'a' } })).toMatchObject({ value: 7n })
})

test('a ledger that was emptied goes on with what Redis holds', async () => {
  const cache = await start()
  const before = await identity()
  await write(cache, 'kept')
  await database.query('truncate write_behind_ledger')
  const later = await start()
  expect(warnings()).toContain('has been emptied')
  expect(await identity()).toEqual(before)
  await later.flush()
  expect(await contents()).toEqual(['kept'])
})

test('a copy of the database is refused by the Redis of the original, and taken by a Redis of its own under a new identity', async () => {
  await (await start()).close()
  const [row] = await ledger()
  const copy = await another()
  const { shard, batch, recent } = row as { shard: string; batch: string; recent: string[] }
  await copy.query('insert into write_behind_ledger values ($1, $2, $3)', [shard, batch, recent])
  await expect(start(copy)).rejects.toThrow('is a copy of the former')
  await connection.redis.del(identityKey(connection.namespace))
  await start(copy)
  expect(warnings()).toContain('is a copy of that of')
  const [renewed] = (await ledger(copy)) as { batch: string }[]
  expect(renewed?.batch).not.toBe(batch)
  await expect(start(database)).rejects.toThrow(ConfigurationError)
})

test('a table that merely has the name of the ledger, with another identity, is refused', async () => {
  await start()
  await database.query(`update write_behind_ledger set batch = 'somebody else'`)
  await expect(start()).rejects.toThrow('identity somebody else')
})

test('two namespaces on one database do not disturb each other', async () => {
  await start()
  const first = connection
  connection = createRedis()
  await start()
  expect((await ledger()).map((row) => (row as { shard: string }).shard).sort()).toEqual(
    [first, connection].map(({ namespace }) => identityShard(namespace)).sort(),
  )
  await first.clean()
})

test('ledgers of two generators are bound apart: each model to its own', async () => {
  await database.query('create table other_ledger (like write_behind_ledger including all)')
  const { redis, namespace } = connection
  const player = { ...models.player, ledger: { ...models.player.ledger, table: '"other_ledger"' } }
  const both = await createWriteBehind({
    prisma: database.prisma,
    redis,
    namespace,
    models: { ...models, player },
    policies: { counter: still, player: still },
  })
  closing.push(() => both.close())
  await expect(start(database, { player: still })).rejects.toThrow('public.other_ledger')
  await start(database, { counter: still })
})

test('a layout of a later version is refused with both versions, even without the database', async () => {
  await start()
  const key = identityKey(connection.namespace)
  const text = (await connection.redis.hget(key, ':namespace')) as string
  await connection.redis.hset(key, ':namespace', text.replace('"layout":"1"', '"layout":"2"'))
  await expect(start()).rejects.toThrow('expected layout 1 in Redis, found 2')
  await expect(start({ prisma: { $queryRawUnsafe: () => Promise.reject(new Error('away')) } })).rejects.toThrow('found 2')
  await connection.redis.hset(key, ':namespace', 'nonsense')
  await expect(start()).rejects.toThrow('found something else')
})

test('a flush says nothing of a database that has not answered yet, though Redis holds nothing any more', async () => {
  const owner = await start()
  const away: SqlClient = { $queryRawUnsafe: () => Promise.reject(new Error('connect ECONNREFUSED')) }
  const cache = await start({ prisma: away })
  await write(cache, 'early')
  await owner.flush()
  await expect(cache.flush({ timeout: 500 })).rejects.toMatchObject({ code: 'OUTAGE' })
})

test('without the database writes go on, nothing is flushed by one that is another, and its writes are then refused', async () => {
  await start()
  const other = await another()
  let isAway = true
  const prisma: SqlClient = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) =>
      isAway ? Promise.reject(new Error('connect ECONNREFUSED')) : other.prisma.$queryRawUnsafe<T>(sql, ...values),
  }
  const cache = await start({ prisma })
  expect(warnings()).toContain('nothing is flushed before it has answered')
  await write(cache, 'early')
  await expect(cache.flush({ timeout: 500 })).rejects.toThrow()
  isAway = false
  await expect(cache.flush()).rejects.toThrow(ConfigurationError)
  await expect(write(cache, 'late')).rejects.toThrow(ConfigurationError)
  await expect(cache.counter.findUnique({ where: { name: 'early' } })).rejects.toThrow(ConfigurationError)
  expect(await contents(other)).toEqual([])
  expect(await ledger(other)).toEqual([])
  await (await start()).flush()
  expect(await contents()).toEqual(['early'])
})

test('a database that comes back is confirmed by the first flush', async () => {
  let isAway = true
  const prisma: SqlClient = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) =>
      isAway ? Promise.reject(new Error('connect ECONNREFUSED')) : database.prisma.$queryRawUnsafe<T>(sql, ...values),
  }
  const cache = await start({ prisma })
  await write(cache, 'a')
  expect(await identity()).toEqual({})
  isAway = false
  await cache.flush()
  expect(await contents()).toEqual(['a'])
  expect(Object.keys(await identity()).sort()).toEqual([':namespace', 'Counter'])
})

test('a process whose Redis was emptied and taken by another database meanwhile is refused', async () => {
  const cache = await start()
  const text = (await identity())[':namespace'] as string
  await connection.redis.hset(identityKey(connection.namespace), ':namespace', text.replace(nameOf(database), 'of_somebody_else'))
  await expect.poll(() => write(cache, 'late').catch((error: Error) => error.message)).toContain('expected the database "of_somebody_else"')
})

test('a process whose Redis was emptied keeps the namespace', async () => {
  const cache = await start()
  const before = await identity()
  await connection.empty()
  await expect.poll(identity).toEqual(before)
  await expect(start(await another())).rejects.toThrow(ConfigurationError)
  await write(cache, 'a')
  await cache.flush()
  expect(await contents()).toEqual(['a'])
})

test('an unknown option releases nothing', async () => {
  await start()
  const before = await identity()
  const { redis, namespace } = connection
  await expect(releaseNamespace({ redis, namespace, force: true } as never)).rejects.toThrow(
    new ConfigurationError('releaseNamespace: expected only redis and namespace, got force'),
  )
  expect(await identity()).toEqual(before)
})

test('a namespace is released for another database once nothing in it is dirty', async () => {
  const { redis, namespace } = connection
  const cache = await start()
  await write(cache, 'a')
  await expect(releaseNamespace({ redis, namespace })).rejects.toThrow('Counter')
  await cache.flush()
  await cache.close()
  await releaseNamespace({ redis, namespace })
  const other = await another()
  const later = await start(other)
  expect(await later.counter.findUnique({ where: { name: 'a' } })).toBeNull()
  await write(later, 'b')
  await later.flush()
  expect([await contents(), await contents(other)]).toEqual([['a'], ['b']])
  await expect(start()).rejects.toThrow(ConfigurationError)
})
