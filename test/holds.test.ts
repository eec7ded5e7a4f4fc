/** Views of rows that change outside of write-behind: leases, holds, invalidate. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import type { SqlClient } from '../src/database/database.js'
import { preparing } from '../src/database/outcome.js'
import { classify } from '../src/database/postgresql/sqlstate.js'
import { createEvents, type FailureEvent } from '../src/events.js'
import { type Cache, createWriteBehind } from '../src/index.js'
import { shardOf } from '../src/model/key.js'
import { Holds, type Scope } from '../src/read/holds.js'
import { Reader } from '../src/read/reader.js'
import { ShardNames } from '../src/redis/keys.js'
import { RetryingConnection } from '../src/redis/retrying-connection.js'
import { Store } from '../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const HOUR = 3_600_000
const policies = { counter: { shards: 2, debounce: HOUR, maxWait: HOUR } } as const
const SCOPES: readonly (readonly [string, Scope])[] = [
  ['the record', ['a']],
  ['the model', 'all'],
]

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
let cache: Cache<typeof models, typeof policies>
let shards: ShardNames
/** Runs after every snapshot has been taken, before the library has it. */
let afterSnapshot: () => Promise<unknown>
let snapshots: number

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  shards = new ShardNames(connection.namespace, 'Counter', 2)
  afterSnapshot = async () => {}
  snapshots = 0
  cache = await connect()
  await database.query(`insert into "Counter" values ('a', 1)`)
})

afterEach(async () => {
  await cache.close()
  await connection.clean()
  await database.query('truncate "Counter"')
})

function connect(): Promise<Cache<typeof models, typeof policies>> {
  const prisma: SqlClient = {
    async $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      const result = await database.prisma.$queryRawUnsafe<T>(sql, ...values)
      if (sql.startsWith('select (select')) {
        snapshots++
        await afterSnapshot()
      }
      return result
    },
  }
  return createWriteBehind({ prisma, redis: connection.redis, namespace: connection.namespace, models, policies })
}

function holds({ ttl = 60_000, redis = connection.redis, events = createEvents() } = {}): Holds {
  return new Holds({
    model: 'Counter',
    shards,
    store: new Store(redis),
    connection: new RetryingConnection(redis, 3000),
    events,
    ttl,
    classify,
  })
}

/** Somebody else's statement. */
async function set(value: number): Promise<void> {
  await database.query(`update "Counter" set value = $1`, [value])
}

async function read(from = cache): Promise<bigint | undefined> {
  return (await from.counter.findUnique({ where: { name: 'a' } }))?.value
}

/** Whether the next read is answered without the database. */
async function isStored(): Promise<boolean> {
  const before = snapshots
  await read()
  return snapshots === before
}

/** Lets the first load come as far as its snapshot, runs the task, and lets the load go on. */
async function whileLoading<T>(task: () => Promise<T>): Promise<{ loaded: bigint | undefined; result: T }> {
  const reached = deferred()
  const opened = deferred()
  afterSnapshot = () => {
    afterSnapshot = async () => {}
    reached.resolve()
    return opened.promise
  }
  const loading = read()
  await reached.promise
  const result = await task()
  opened.resolve()
  return { loaded: await loading, result }
}

function deferred() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

describe.each(SCOPES)('a hold of %s', (_, scope) => {
  test('lasts as long as it is to, though others that are shorter come after it', async () => {
    const long = await holds().hold(scope)
    const short = await holds({ ttl: 50 }).hold(scope)
    await short.release()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await read()
    expect(await isStored()).toBe(false)
    await long.release()
  })

  test('drops the view at its beginning, and lets none be made until its end', async () => {
    await read()
    expect(await isStored()).toBe(true)
    const hold = await holds().hold(scope)
    expect(await isStored()).toBe(false)
    expect(await isStored()).toBe(false)
    await set(2)
    expect(await read()).toBe(2n)
    await hold.release()
    expect(await read()).toBe(2n)
    expect(await isStored()).toBe(true)
  })

  test('keeps a load that began before it from storing what it read, whether that ends under the hold or after it', async () => {
    const { result: hold } = await whileLoading(() => holds().hold(scope))
    expect(await isStored()).toBe(false)
    await hold.release()
    await whileLoading(async () => {
      const next = await holds().hold(scope)
      await set(3)
      await next.release()
    })
    expect(await read()).toBe(3n)
  })

  test('keeps a load that began under it from storing what it read, when it ends after it', async () => {
    const hold = await holds().hold(scope)
    await whileLoading(async () => {
      await set(2)
      await hold.release()
    })
    expect(await read()).toBe(2n)
  })

  test('stays while one of two is not released', async () => {
    const first = await holds().hold(scope)
    const second = await holds().hold(scope)
    await first.release()
    expect([await isStored(), await isStored()]).toEqual([false, false])
    await second.release()
    expect([await isStored(), await isStored()]).toEqual([false, true])
  })

  test('that has expired still drops at its release what was made meanwhile', async () => {
    const hold = await holds({ ttl: 20 }).hold(scope)
    await expect.poll(async () => [await isStored(), await isStored()]).toEqual([true, true])
    await set(2)
    expect(await read()).toBe(1n)
    await hold.release()
    expect(await read()).toBe(2n)
  })

  test('of a holder that died expires, also beside other holds', async () => {
    await holds({ ttl: 2000 }).hold(scope)
    const living = holds({ ttl: 60_000 })
    await (await living.hold(scope)).release()
    expect(await isStored()).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 2100))
    await (await living.hold(scope)).release()
    expect([await isStored(), await isStored()]).toEqual([false, true])
  })

  test('lays over the row what is pending, keeps it, and says which records are dirty', async () => {
    await read()
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    const hold = await holds().hold(scope)
    expect(hold.dirty).toEqual(scope === 'all' ? [] : ['a'])
    expect(await read()).toBe(11n)
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    await set(2)
    expect(await read()).toBe(22n)
    await hold.release()
    expect(await read()).toBe(22n)
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    expect(await isStored()).toBe(true)
    expect(await read()).toBe(32n)
    await cache.flush()
    expect(await read()).toBe(32n)
    expect(await database.query('select value::int from "Counter"')).toEqual([{ value: 32 }])
  })

  test('leaves no view without a TTL behind, whatever is written to dirty records meanwhile', async () => {
    const name = 'a'
    await read()
    await cache.counter.increment({ name }, { value: 1 })
    const hold = await holds().hold(scope)
    await cache.counter.increment({ name }, { value: 1 })
    await cache.counter.delete({ where: { name } })
    expect(await read()).toBeUndefined()
    await cache.counter.increment({ name }, { value: 5 })
    expect(await read()).toBe(5n)
    await hold.release()
    await cache.counter.increment({ name }, { value: 1 })
    expect(await read()).toBe(6n)
    await cache.flush()
    const names = await connection.redis.keys(`{${connection.namespace}/Counter*}/view/*`)
    for (const key of names) expect(await connection.redis.pttl(key)).toBeGreaterThan(0)
    expect(await read()).toBe(6n)
  })

  test('runs a statement, and is released after it, refused or not; one of unknown outcome leaves it to expire', async () => {
    await read()
    expect(await holds().during(scope, async () => 'result')).toBe('result')
    const refused = holds().during(scope, () => database.prisma.$executeRawUnsafe(`insert into "Counter" values ('a', 1)`))
    await expect(refused).rejects.toThrow('23505')
    expect([await isStored(), await isStored()]).toEqual([false, true])
    const lostBefore = holds().during(scope, () => preparing(Promise.reject(new Error('Connection terminated unexpectedly'))))
    await expect(lostBefore).rejects.toThrow('terminated')
    expect([await isStored(), await isStored()]).toEqual([false, true])
    const lost = holds({ ttl: 2000 }).during(scope, () => Promise.reject(new Error('Connection terminated unexpectedly')))
    await expect(lost).rejects.toThrow('terminated')
    expect([await isStored(), await isStored()]).toEqual([false, false])
    await expect.poll(isStored).toBe(true)
  })
})

test('Redis away: a hold fails before the statement, a release reports it and leaves the hold to expire', async () => {
  const redis = connection.redis.duplicate(RetryingConnection.OPTIONS)
  redis.on('error', () => {})
  await redis.connect()
  const events = createEvents()
  const failures: FailureEvent[] = []
  events.on('failure', (failure) => failures.push(failure))
  const away = holds({ redis, events })
  const hold = await away.hold(['a'])
  redis.disconnect()
  await hold.release()
  expect(failures).toMatchObject([{ step: 'release', model: 'Counter', error: { code: 'UNAVAILABLE' } }])
  let ran = false
  const refused = away.during('all', async () => {
    ran = true
  })
  await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(ran).toBe(false)
})

test('a record that is held leaves the views of others alone', async () => {
  await database.query(`insert into "Counter" values ('b', 1)`)
  await cache.counter.findUnique({ where: { name: 'b' } })
  const hold = await holds().hold(['a'])
  const before = snapshots
  await cache.counter.findUnique({ where: { name: 'b' } })
  expect(snapshots).toBe(before)
  await hold.release()
})

describe('invalidate', () => {
  test('drops the view after somebody else changed the row, and keeps what is pending', async () => {
    await read()
    await set(5)
    expect(await read()).toBe(1n)
    await cache.counter.invalidate({ name: 'a' })
    expect(await read()).toBe(5n)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await set(7)
    await cache.counter.invalidate({ name: 'a' })
    expect(await read()).toBe(8n)
    await cache.flush()
    expect(await database.query('select value::int from "Counter"')).toEqual([{ value: 8 }])
  })

  test('of a dirty record leaves nothing behind that would never expire', async () => {
    await read()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.counter.invalidate({ name: 'a' })
    await cache.counter.set({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await connection.redis.keys(`{${connection.namespace}/Counter*}/view/*`)).toEqual([])
  })

  test('keeps a load that is under way from storing what it read before', async () => {
    const { loaded } = await whileLoading(async () => {
      await set(5)
      await cache.counter.invalidate({ name: 'a' })
    })
    expect(loaded).toBe(1n)
    expect(await read()).toBe(5n)
  })

  test('refuses what is no key', async () => {
    await expect(cache.counter.invalidate({ nam: 'a' } as never)).rejects.toThrow('Counter.nam: expected only the key (name) in where')
  })
})

describe('misses', () => {
  test('that come together, or while a load is under way, share one load', async () => {
    await whileLoading(async () => {
      const later = Array.from({ length: 50 }, () => read())
      await new Promise((resolve) => setTimeout(resolve, 50))
      afterSnapshot = () => Promise.all(later)
    })
    await Promise.all(Array.from({ length: 50 }, () => read()))
    expect(snapshots).toBe(1)
  })

  test('after the row changed do not join a load that began before', async () => {
    const { loaded, result } = await whileLoading(async () => {
      const hold = await holds().hold(['a'])
      await set(2)
      await hold.release()
      return read()
    })
    expect(result).toBe(2n)
    expect(loaded).toBe(2n) // as there is a view of the row by then
    expect(await read()).toBe(2n)
  })

  test('of another process under the same lease load for themselves, and leave the view right', async () => {
    const other = await connect()
    const { result } = await whileLoading(() => read(other))
    expect(result).toBe(1n)
    expect(await isStored()).toBe(true)
    await other.close()
  })
})

test('a read that is sent twice, and arrives once more when its lease has gone, lets no old row be stored', async () => {
  const model = models.counter
  const store = new Store(connection.redis)
  const sent: (() => Promise<unknown>)[] = []
  // As a retrying connection does when a connection is lost on the way.
  const retrying = {
    ask: <T>(_: unknown, send: () => Promise<T>) => send().finally(() => sent.push(send)),
  } as unknown as RetryingConnection
  const snapshot = async (_: number, keys: readonly string[]) => {
    const hold = await holds().hold(['a'])
    await hold.release()
    await sent[0]?.()
    return { ledger: null, rows: keys.map((key) => ({ key, values: ['1'] })), unreadable: new Map() }
  }
  const reader = new Reader({
    model,
    store,
    connection: retrying,
    shards,
    ttl: { view: HOUR, missing: HOUR },
    snapshot,
    onAdopted: () => {},
  })
  await set(2)
  expect(await reader.find(shardOf('a', 2), 'a', (view) => view)).toEqual(['1'])
  expect(await read()).toBe(2n)
})
