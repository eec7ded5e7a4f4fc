/** A cache of one row that others change too. Importing it registers hooks in the test file. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { models } from '../../generated/write-behind.js'
import type { SqlClient } from '../../src/database/postgresql/database.js'
import { createEvents } from '../../src/events.js'
import { type Cache, createWriteBehind } from '../../src/index.js'
import { Holds } from '../../src/read/holds.js'
import { ShardNames } from '../../src/redis/keys.js'
import { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { Store } from '../../src/redis/store.js'
import { HOUR } from '../counters.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const policies = { counter: { shards: 2, debounce: HOUR, maxWait: HOUR } } as const

export let database: TestDatabase
export let connection: ReturnType<typeof createRedis>
export let cache: Cache<typeof models, typeof policies>
export let shards: ShardNames
/** Snapshots of rows: `after` runs when one has been taken, before the library has it. */
export const snapshots = { count: 0, after: nothing as () => Promise<unknown> }

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  shards = new ShardNames(connection.namespace, 'Counter', 2)
  snapshots.after = nothing
  snapshots.count = 0
  cache = await connect()
  await database.query(`insert into "Counter" values ('a', 1)`)
})

afterEach(async () => {
  await cache.close()
  await connection.clean()
  await database.query('truncate "Counter"')
})

export function connect(): Promise<Cache<typeof models, typeof policies>> {
  const prisma: SqlClient = {
    async $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      const result = await database.prisma.$queryRawUnsafe<T>(sql, ...values)
      if (sql.startsWith('select (select')) {
        snapshots.count++
        await snapshots.after()
      }
      return result
    },
  }
  return createWriteBehind({ prisma, redis: connection.redis, namespace: connection.namespace, models, policies })
}

export function holds({ ttl = 60_000, redis = connection.redis, events = createEvents() } = {}): Holds {
  return new Holds({ model: 'Counter', shards, store: new Store(redis), connection: new RetryingConnection(redis, 3000), events, ttl })
}

/** Somebody else's statement. */
export async function set(value: number): Promise<void> {
  await database.query(`update "Counter" set value = $1`, [value])
}

export async function read(from = cache): Promise<bigint | undefined> {
  return (await from.counter.findUnique({ where: { name: 'a' } }))?.value
}

/** Whether the next read is answered without the database. */
export async function isStored(): Promise<boolean> {
  const before = snapshots.count
  await read()
  return snapshots.count === before
}

/** Lets the first load come as far as its snapshot, runs the task, and lets the load go on. */
export async function whileLoading<T>(task: () => Promise<T>): Promise<{ loaded: bigint | undefined; result: T }> {
  const reached = deferred()
  const opened = deferred()
  snapshots.after = () => {
    snapshots.after = nothing
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

async function nothing(): Promise<void> {}
