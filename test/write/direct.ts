/** Caches that write through or around, and one row. Importing it registers hooks in the test file. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { models } from '../../generated/write-behind.js'
import type { SqlClient } from '../../src/database/postgresql/database.js'
import { type Cache, createWriteBehind, type Options, type Policy } from '../../src/index.js'
import { HOUR } from '../counters.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

export const where = { name: 'a' }
export const DIRECT = ['write-through', 'write-around'] as const

export type Caches = Cache<typeof models, { counter: Policy; player: Policy }>

export let database: TestDatabase
export let connection: ReturnType<typeof createRedis>
/** Statements of the library: what a test puts around each of them, and how many took a snapshot. */
export const statements = { around: send, snapshots: 0 }
let opened: Caches[]

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  statements.around = send
  statements.snapshots = 0
  opened = []
  await database.query(`insert into "Counter" values ('a', 1)`)
})

afterEach(async () => {
  for (const cache of opened) await cache.close({ deadline: 1000 })
  await connection.clean()
  await database.query('truncate "Counter", players')
})

export async function connect(strategy: NonNullable<Policy['strategy']>, options: Options = {}, redis = connection.redis): Promise<Caches> {
  const prisma: SqlClient = {
    $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      if (sql.startsWith('select (select')) statements.snapshots++
      return statements.around(sql, () => database.prisma.$queryRawUnsafe<T>(sql, ...values))
    },
  }
  const policy = { strategy, shards: 2, debounce: HOUR, maxWait: HOUR }
  const { namespace } = connection
  const policies = { counter: policy, player: policy }
  const cache = await createWriteBehind({ prisma, redis, namespace, models, policies, ...options })
  opened.push(cache)
  return cache
}

export function isWrite(sql: string): boolean {
  return sql.startsWith('with fence')
}

export async function read(cache: Caches): Promise<bigint | undefined> {
  return (await cache.counter.findUnique({ where }))?.value
}

export async function row(): Promise<number | undefined> {
  return (await database.query<{ value: number }>(`select value::int from "Counter" where name = 'a'`))[0]?.value
}

/** Whether the next read is answered without the database. */
export async function isStored(cache: Caches): Promise<boolean> {
  const before = statements.snapshots
  await read(cache)
  return statements.snapshots === before
}

export function set(cache: Caches, value: number): Promise<void> {
  return cache.counter.upsert({ where, create: { value }, update: { value } })
}

/** Nothing around a statement. */
function send<T>(_: string, statement: () => Promise<T>): Promise<T> {
  return statement()
}
