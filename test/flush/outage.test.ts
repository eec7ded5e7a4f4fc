/** What lasts as long as a timeout, for one record or for all: the one is parked, and for all it is an outage, which parks nothing. */
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, ParkedError, PersistError, type SqlClient } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const HOUR = 3_600_000
/** Flushed by explicit calls only; one shard, so that all are neighbours. */
const policies = { counter: { shards: 1, debounce: HOUR, maxWait: HOUR } } as const
const GOOD = 12

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
let prisma: PrismaClient

beforeAll(async () => {
  database = await createDatabase()
  await database.query(`create function misbehave() returns trigger language plpgsql as $$ begin
    if new.name like 'bad%' then execute tg_argv[0]; end if; return new; end $$`)
})

afterAll(() => database.drop())

beforeEach(() => {
  connection = createRedis()
  prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) })
})

afterEach(async () => {
  await database.query('drop trigger if exists misbehave on "Counter"')
  await database.query('truncate "Counter"')
  await prisma.$disconnect()
  await connection.clean()
})

/** What the database does for a record whose name begins with "bad". */
async function misbehave(sql: string): Promise<void> {
  await database.query(`create trigger misbehave before insert on "Counter" for each row execute function misbehave($a$${sql}$a$)`)
}

async function connect(client: SqlClient = prisma, statementTimeout = 20_000) {
  const { redis, namespace } = connection
  return createWriteBehind({ prisma: client, redis, namespace, models, policies, statementTimeout })
}

type Connected = Awaited<ReturnType<typeof connect>>

const goodNames = Array.from({ length: GOOD }, (_, n) => `good ${String(n).padStart(2, '0')}`)

function write(cache: Connected, ...names: string[]): Promise<unknown> {
  return Promise.all(names.map((name) => cache.counter.set({ name }, { value: 1 })))
}

async function rows(): Promise<string[]> {
  return (await database.query<{ name: string }>('select name from "Counter" order by name')).map(({ name }) => name)
}

test('a record whose row somebody keeps locked for ever is parked, and its neighbours arrive', async () => {
  await database.query(`insert into "Counter" values ('locked', 0)`)
  let release = () => {}
  const locked = prisma.$transaction(
    async (tx) => {
      await tx.$queryRawUnsafe(`select * from "Counter" where name = 'locked' for update`)
      await new Promise<void>((resolve) => {
        release = resolve
      })
    },
    { timeout: HOUR },
  )
  await expect.poll(async () => (await database.query("select from pg_locks where mode = 'RowShareLock'")).length).toBeGreaterThan(0)
  const cache = await connect(prisma, 1000)
  await write(cache, ...goodNames, 'locked')
  await expect(cache.flush({ timeout: 120_000 })).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual([...goodNames, 'locked'])
  expect(await cache.parked()).toMatchObject([{ key: 'locked', reason: expect.stringContaining('statementTimeout') }])
  release()
  await locked
  expect(await cache.flush()).toEqual({ records: 1 })
  await cache.close()
})

test('a record that alone exceeds statement_timeout is parked for it', async () => {
  const options = '-c statement_timeout=400'
  const impatient = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, options }) })
  await misbehave('select pg_sleep(60)')
  const cache = await connect(impatient)
  await write(cache, ...goodNames, 'bad')
  await expect(cache.flush({ timeout: 120_000 })).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(goodNames)
  expect(await cache.parked()).toMatchObject([{ key: 'bad', reason: expect.stringContaining('statement_timeout') }])
  await cache.close()
  await impatient.$disconnect()
})

test.each([
  ['the table is missing', 'alter table "Counter" rename to elsewhere', 'alter table elsewhere rename to "Counter"', 'SCHEMA_MISMATCH'],
  ['a column is missing', 'alter table "Counter" rename value to other', 'alter table "Counter" rename other to value', 'SCHEMA_MISMATCH'],
  [
    'a trigger misses a table',
    `create function audit() returns trigger language plpgsql as $$ begin insert into missing values (1); return new; end $$;
    create trigger audit before insert on "Counter" for each row execute function audit()`,
    'drop trigger audit on "Counter"; drop function audit',
    'SCHEMA_MISMATCH',
  ],
  [
    'the ledger takes nothing',
    'alter table write_behind_ledger add constraint closed check (false) not valid',
    'alter table write_behind_ledger drop constraint closed',
    'REFUSED',
  ],
])('where %s nothing is parked, and nothing lost', async (_, spoil, mend, code) => {
  const cache = await connect()
  await write(cache, ...goodNames)
  await database.query(spoil)
  for (let n = 0; n < 5; n++) {
    const error = await cache.flush({ timeout: 1000 }).catch((each: unknown) => each)
    expect(error).toBeInstanceOf(PersistError)
    if (code === 'SCHEMA_MISMATCH') expect(error).toMatchObject({ code })
  }
  expect(await cache.parked()).toEqual([])
  await database.query(mend)
  expect(await cache.flush()).toEqual({ records: GOOD })
  await cache.close()
})

test('where somebody keeps the table locked nothing is parked, and all arrive afterwards', async () => {
  const adapter = new PrismaPg({ connectionString: database.url, options: '-c statement_timeout=200' })
  const impatient = new PrismaClient({ adapter })
  const cache = await connect(impatient)
  let release = () => {}
  const locked = prisma.$transaction(
    async (tx) => {
      await tx.$executeRawUnsafe('lock table "Counter"')
      await new Promise<void>((resolve) => {
        release = resolve
      })
    },
    { timeout: HOUR },
  )
  await expect.poll(async () => (await database.query(`select from pg_locks where mode = 'AccessExclusiveLock'`)).length).toBeGreaterThan(0)
  await write(cache, 'one', 'two')
  for (let n = 0; n < 6; n++) await expect(cache.flush({ timeout: 1000 })).rejects.toThrow()
  expect(await cache.parked()).toEqual([])
  release()
  await locked
  // What was under way when a flush ran out of time may have brought some.
  await cache.flush()
  expect(await rows()).toEqual(['one', 'two'])
  await cache.close()
  await impatient.$disconnect()
})
