/** What the database lacks is named at the start, with what to do, and not by the first flush. */
import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PrismaClient } from '../generated/client/client.js'
import { models } from '../generated/write-behind.js'
import { ConfigurationError, createWriteBehind, type Models } from '../src/index.js'
import { RetryingConnection } from '../src/redis/retrying-connection.js'
import { Store } from '../src/redis/store.js'
import { checkClock } from '../src/start/clock.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const policies = { counter: {}, pageView: {}, reading: {}, player: {}, document: {} } as const
let connection: ReturnType<typeof createRedis>
let database: TestDatabase
let closing: (() => Promise<unknown>)[]

beforeEach(async () => {
  connection = createRedis()
  database = await createDatabase()
  closing = []
})

afterEach(async () => {
  for (const close of closing.reverse()) await close()
  await connection.clean()
  await database.drop()
})

async function start(prisma: PrismaClient = database.prisma, used: Models = models) {
  const { redis, namespace } = connection
  const cache = await createWriteBehind({ prisma, redis, namespace, models: used as typeof models, policies })
  closing.push(() => cache.close())
  return cache
}

/** As a role of its own, with these rights. */
async function startAs(...rights: string[]) {
  return start(await clientOf(rights))
}

async function clientOf(rights: readonly string[], password = 'secret', setting = 'application_name = test'): Promise<PrismaClient> {
  const role = `role_${randomUUID().replaceAll('-', '')}`
  await database.query(`create role ${role} login password 'secret'; alter role ${role} set ${setting}`)
  for (const right of rights) await database.query(`grant ${right} to ${role}`)
  const address = new URL(database.url)
  address.username = role
  address.password = password
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: address.toString() }) })
  closing.push(async () => {
    await prisma.$disconnect()
    await database.query(`drop owned by ${role}`)
    await database.query(`drop role ${role}`)
  })
  return prisma
}

const RIGHTS = ['select, insert, update, delete on all tables in schema public', 'usage on schema public']

describe('what is missing is named', () => {
  test.each([
    [
      'the ledger',
      'drop table write_behind_ledger',
      'The ledger: there is no table "write_behind_ledger" in the database; apply the migrations',
    ],
    ['a column of the ledger', 'alter table write_behind_ledger drop recent', 'there is no column "recent" of "write_behind_ledger"'],
    [
      'the key of the ledger',
      'alter table write_behind_ledger drop constraint write_behind_ledger_pkey',
      'no unique index on exactly "shard"',
    ],
    ['a table', 'drop table "Counter"', 'Counter: there is no table "Counter" in the database'],
    [
      'a table, which another schema has',
      'create schema o; alter table "Counter" set schema o',
      'on the search_path (public), but in the schema "o"',
    ],
    ['a column', 'alter table page_views drop last_seen', 'PageView: there is no column "last_seen" of "page_views"; apply the migrations'],
    [
      'a type',
      'alter table "Counter" alter value drop default, alter value type text',
      'expected column "value" of "Counter" to be bigint, found text',
    ],
    ['the width of a type', 'alter table "Counter" alter value type integer', 'to be bigint, found integer'],
    ['a time zone', 'alter table page_views alter last_seen type timestamptz', 'to be timestamp, found timestamp with time zone'],
    ['a list', 'alter table "Document" alter tags drop default, alter tags type text using tags::text', 'to be text[], found text'],
    [
      'digits of a number',
      'alter table "Document" alter price type numeric(12,0)',
      'numeric with 2 digits behind the point, found numeric(12,0)',
    ],
    [
      'digits of a second',
      'alter table page_views alter last_seen type timestamp(0)',
      '3 digits behind the point, found timestamp(0) without',
    ],
    [
      'an enum',
      'alter table "Document" alter state drop default, alter state type text; drop type "DocumentState"',
      'the enum "DocumentState"',
    ],
    ['a value of an enum', `alter type "DocumentState" rename value 'published' to 'other'`, `lacks 'published'; apply the migrations`],
    ['the unique index', 'alter table players drop constraint players_pkey', 'no unique index on exactly "player_id"'],
    [
      'a unique index that ON CONFLICT takes',
      'alter table players drop constraint players_pkey, add primary key (player_id) deferrable',
      'not deferrable',
    ],
    [
      'a unique index on the whole table',
      'alter table players drop constraint players_pkey; create unique index on players (player_id) where score > 0',
      'without a condition',
    ],
    [
      'part of the key of an index',
      'alter table "Reading" drop constraint "Reading_pkey", add unique (device)',
      'on exactly "device", "metric"',
    ],
    [
      'a table, where there is a materialized view',
      'alter table "Counter" rename to c; create materialized view "Counter" as select * from c',
      'found a materialized view',
    ],
    [
      'a table, where there is a view of many',
      'alter table "Counter" rename to c; create view "Counter" as select distinct name, value from c',
      'found a view that cannot be written',
    ],
    [
      'the key of a partitioned table',
      'drop table "Counter"; create table "Counter" (name text not null, value bigint not null default 0) partition by list (name)',
      'no unique index on exactly "name"',
    ],
  ])('%s', async (_, sql, expected) => {
    await database.query(sql)
    const error = await start().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect((error as Error).message).toContain(expected)
    expect((error as Error).message.split('\n')).toHaveLength(2)
    expect(await connection.redis.keys(`{${connection.namespace}*`)).toEqual([])
  })

  test('all at once', async () => {
    await database.query('drop table "Counter"; alter table players drop score')
    await expect(start()).rejects.toThrow(/Counter: .*\n- Player: /)
  })

  test('what is not written behind may be missing', async () => {
    await database.query('drop table "Counter"')
    const { redis, namespace } = connection
    const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { player: {} } })
    await cache.close()
  })
})

describe('what works is taken', () => {
  test.each([
    ['varchar for text', 'alter table "Counter" alter name type varchar(400)'],
    ['a domain', 'create domain d as bigint check (value >= 0); alter table "Counter" alter value type d'],
    [
      'a partitioned table',
      'drop table "Counter"; create table "Counter" (name text primary key, value bigint not null default 0) partition by hash (name); create table p partition of "Counter" for values with (modulus 1, remainder 0)',
    ],
    ['a view that can be written', 'alter table "Counter" rename to c; create view "Counter" as select name, value from c'],
    [
      'a unique index in another order',
      'alter table "Reading" drop constraint "Reading_pkey"; create unique index on "Reading" (metric, device)',
    ],
    ['a column more', 'alter table "Counter" add more text'],
    ['an enum with a value more', `alter type "DocumentState" add value 'more'`],
    ['a numeric with more digits', 'alter table "Document" alter price type numeric(20,4)'],
  ])('%s', async (_, sql) => {
    await database.query(sql)
    const cache = await start()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await database.query('select name, value from "Counter"')).toEqual([{ name: 'a', value: '1' }])
  })

  test('tables of the schema that the model names, and names with quotes in them', async () => {
    await database.query(
      'create schema "o""dd"; alter table "Counter" set schema "o""dd"; alter table "o""dd"."Counter" rename to "c.""x"; alter table write_behind_ledger set schema "o""dd"',
    )
    const ledger = { ...models.counter.ledger, schema: 'o"dd', table: 'write_behind_ledger' }
    const used = Object.fromEntries(Object.entries(models).map(([name, model]) => [name, { ...model, ledger }]))
    const cache = await start(database.prisma, { ...used, counter: { ...models.counter, ledger, schema: 'o"dd', table: 'c."x' } })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await database.query('select name from "o""dd"."c.""x"')).toEqual([{ name: 'a' }])
  })

  test('a name that PostgreSQL cuts', async () => {
    const long = 'x'.repeat(70)
    await database.query(`alter table "Counter" rename to "${long}"`)
    const cache = await start(database.prisma, { ...models, counter: { ...models.counter, table: long } })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
  })
})

describe('a role', () => {
  test('with the documented rights writes, flushes and reads', async () => {
    const cache = await startAs(...RIGHTS)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    await cache.counter.delete({ where: { name: 'a' } })
    await cache.flush()
    expect(await database.query('select * from "Counter"')).toEqual([])
  })

  test('with rights on the columns alone is taken', async () => {
    await database.query('alter table "Counter" add more text')
    const others = ['"Document"', '"Reading"', 'players', 'page_views', 'write_behind_ledger'].join(', ')
    const columns = 'select (name, value), insert (name, value), update (value), delete on "Counter"'
    await startAs(`select, insert, update, delete on ${others}`, columns)
  })

  test.each([
    ['SELECT', 'insert, update, delete'],
    ['INSERT', 'select, update, delete'],
    ['UPDATE', 'select, insert, delete'],
    ['DELETE', 'select, insert, update'],
    ['UPDATE ("value")', 'select, insert, delete, update (name)'],
  ])('that lacks %s is told the GRANT', async (right, rest) => {
    const others = 'select, insert, update, delete on "Document", "Reading", players, page_views, write_behind_ledger'
    const lacking = right === 'UPDATE ("value")' ? 'UPDATE' : right
    await expect(startAs(others, `${rest} on "Counter"`)).rejects.toThrow(
      `lacks the right to "Counter"; run GRANT ${lacking} ON "Counter" TO "role_`,
    )
  })

  test('that may not write one column of several is told which', async () => {
    const others = 'select, insert, update, delete on "Counter", "Document", "Reading", page_views, write_behind_ledger'
    const players = 'select, delete, insert (player_id, display_name, score), update (score) on players'
    await expect(startAs(others, players)).rejects.toThrow('run GRANT UPDATE ("display_name") ON "players"')
  })

  test('that may not write the ledger, or use the schema, is told so', async () => {
    const tables = 'select, insert, update, delete on "Counter", "Document", "Reading", players, page_views'
    await expect(startAs(tables, 'select on write_behind_ledger')).rejects.toThrow('GRANT INSERT, UPDATE ON "write_behind_ledger"')
    await database.query('create schema hidden; alter table "Counter" set schema hidden')
    const used = { ...models, counter: { ...models.counter, schema: 'hidden', table: 'Counter' } }
    const { redis, namespace } = connection
    const role = `role_${randomUUID().replaceAll('-', '')}`
    await database.query(`create role ${role} login password 'secret'; grant ${RIGHTS[0]} to ${role}`)
    const address = new URL(database.url)
    address.username = role
    address.password = 'secret'
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: address.toString() }) })
    closing.push(() => database.query(`drop owned by ${role}; drop role ${role}`))
    await expect(createWriteBehind({ prisma, redis, namespace, models: used, policies })).rejects.toThrow('GRANT USAGE ON SCHEMA "hidden"')
    await prisma.$disconnect()
  })

  test('for which row-level security has no policy is told the commands', async () => {
    await database.query('alter table "Counter" enable row level security; create policy p on "Counter" for select using (true)')
    await expect(startAs(...RIGHTS)).rejects.toThrow('no policy that lets the role "role_')
    await database.query('create policy q on "Counter" using (true) with check (true)')
    const cache = await startAs(...RIGHTS)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
  })
})

describe('what refuses a start that is no gap in the tables is named', () => {
  const nameOf = (url: string) => new URL(url).pathname.slice(1)
  const refusal = async (client: PrismaClient) => {
    const error = await start(client).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConfigurationError)
    return (error as Error).message
  }

  test('a role without the right to connect', async () => {
    await database.query(`revoke connect on database ${nameOf(database.url)} from public`)
    const message = await refusal(await clientOf(RIGHTS))
    expect(message).toMatch(/^the database refuses the connection: .*GRANT CONNECT ON DATABASE.* \(42501\)$/)
    expect(message).not.toContain('table')
  })

  test('a database that is not there', async () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: `${database.url}_gone` }) })
    closing.push(() => prisma.$disconnect())
    expect(await refusal(prisma)).toMatch(/^the database refuses the connection: there is none .* \(3D000\)$/)
  })

  test('a catalog that the role may not read', async () => {
    await database.query('revoke select on pg_catalog.pg_class from public')
    expect(await refusal(await clientOf(RIGHTS))).toMatch(/^the catalog \(pg_catalog\) cannot be read, .* \(42501\)$/)
  })

  test.each<[string, string, RegExp]>([
    [
      'a column more that needs a value',
      'alter table write_behind_ledger add extra text not null',
      /NOT NULL gets no value, .* \(23502\)$/,
    ],
    ['a constraint', `alter table write_behind_ledger add constraint short check (shard = '')`, /a constraint, .* \(23514\)$/],
    [
      'a trigger that fails',
      `create function fail() returns trigger language plpgsql as $$ begin raise 'SECRET' using errcode = '42501'; end $$;
       create trigger t before insert on write_behind_ledger for each row execute function fail()`,
      /the role lacks a right .* \(42501\)$/,
    ],
  ])('a ledger with %s', async (_, sql, cause) => {
    await database.query(sql)
    const message = await refusal(database.prisma)
    expect(message).toMatch(/^The ledger: "write_behind_ledger" does not take the row /)
    expect(message).toMatch(cause)
    expect(message).not.toMatch(/record|lacks a table|SECRET/)
  })
})

describe('a start that the database does not answer says why in its warning', () => {
  const nowhere = () => new PrismaClient({ adapter: new PrismaPg({ connectionString: 'postgresql://secret:secret@127.0.0.1:1/secret' }) })

  test.each<[string, () => PrismaClient | Promise<PrismaClient>, RegExp]>([
    ['a wrong password', () => clientOf(RIGHTS, 'mistaken'), /\(28P01\): .*password$/],
    ['a role that may only read', () => clientOf(RIGHTS, 'secret', 'default_transaction_read_only = on'), /\(25006\): .*only be read/],
    ['nobody who listens', nowhere, /the database could not be reached.* \(DatabaseNotReachable\)$/],
  ])('%s', async (_, client, reason) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    closing.push(async () => warn.mockRestore())
    await start(await client())
    const warnings = warn.mock.calls.map(([message]) => String(message)).filter((each) => each.includes('could not be asked'))
    expect(warnings).toEqual([expect.stringMatching(reason)])
    expect(warnings.join()).not.toMatch(/secret|mistaken/)
  })
})

test('a database that fits later is written later', async () => {
  await database.query('alter table "Counter" rename to elsewhere')
  let isAway = true
  const prisma = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) =>
      isAway ? Promise.reject(new Error('connect ECONNREFUSED')) : database.prisma.$queryRawUnsafe<T>(sql, ...values),
  }
  const cache = await start(prisma as PrismaClient)
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  isAway = false
  await expect(cache.flush()).rejects.toThrow('there is no table "Counter"')
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  await database.query('alter table elsewhere rename to "Counter"')
  await cache.flush()
  expect(await database.query('select value from "Counter"')).toEqual([{ value: '2' }])
})

test('a clock that is further than maxWait from that of Redis is said with both times', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { redis } = connection
  const calls = { connection: new RetryingConnection(redis, 10_000), store: new Store(redis) }
  const now = Date.now()
  await checkClock(calls, 3_600_000)
  expect(warn).not.toHaveBeenCalled()
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now + 7_200_000)
  await checkClock(calls, 3_600_000)
  clock.mockReturnValue(now - 7_200_000)
  await checkClock(calls, 3_600_000)
  clock.mockRestore()
  expect(warn.mock.calls.map(([message]) => String(message))).toEqual([
    expect.stringContaining(new Date(now + 7_200_000).toISOString()),
    expect.stringContaining(new Date(now - 7_200_000).toISOString()),
  ])
  warn.mockRestore()
})
