/** What the tables lack is named at the start, with what to do, and not by the first flush. */
import { describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { ConfigurationError, createWriteBehind } from '../../src/index.js'
import { connection, database, start } from './schema.js'

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
    const ledger = { ...models.counter.ledger, table: '"o""dd"."write_behind_ledger"' }
    const used = Object.fromEntries(Object.entries(models).map(([name, model]) => [name, { ...model, ledger }]))
    const cache = await start(database.prisma, { ...used, counter: { ...models.counter, ledger, table: '"o""dd"."c.""x"' } })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await database.query('select name from "o""dd"."c.""x"')).toEqual([{ name: 'a' }])
  })

  test('a name that PostgreSQL cuts', async () => {
    const long = 'x'.repeat(70)
    await database.query(`alter table "Counter" rename to "${long}"`)
    const cache = await start(database.prisma, { ...models, counter: { ...models.counter, table: `"${long}"` } })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
  })
})
