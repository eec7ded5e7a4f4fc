/** Many records that the database refuses: they are parked, tried again and healed together, by a few statements. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, ParkedError } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const HOUR = 3_600_000
const REFUSED = 300
/** Nothing comes by itself, but for the first flush. */
const policies = { counter: { shards: 1, debounce: 50, maxWait: 100, backoff: HOUR, maxBackoff: HOUR } } as const
const names = Array.from({ length: REFUSED }, (_, n) => `refused${n}`)

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
let statements = 0
let cache: Awaited<ReturnType<typeof connect>>

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  await database.query(`alter table "Counter" add constraint small check (value < 100)`)
  cache = await connect()
})

afterEach(async () => {
  await cache.close({ deadline: 20_000 })
  await database.query('alter table "Counter" drop constraint if exists small')
  await database.query('truncate "Counter"')
  await connection.clean()
})

/** A client that counts its statements. */
async function connect(overrides: { batchSize?: number } = {}) {
  const { redis, namespace } = connection
  const prisma = database.prisma.$extends({
    query: {
      $allOperations: ({ args, query }) => {
        statements++
        return query(args)
      },
    },
  })
  return createWriteBehind({
    prisma,
    redis,
    namespace,
    models,
    sweepInterval: HOUR,
    policies: { counter: { ...policies.counter, ...overrides } },
  })
}

function write(value = 1000): Promise<unknown> {
  return Promise.all(names.map((name) => cache.counter.set({ name }, { value })))
}

async function parkAll(): Promise<void> {
  await write()
  await cache.startWorker()
  await expect.poll(async () => (await cache.parked()).length).toBe(REFUSED)
}

async function written(): Promise<number> {
  const [row] = await database.query<{ n: number }>('select count(*)::int as n from "Counter"')
  return row?.n ?? 0
}

/** Resolves when the job has been done. */
async function promoteOne(): Promise<void> {
  const [queue] = cache.queues
  await expect.poll(async () => ((await queue?.getDelayed()) ?? []).some(({ data }) => data.kind === 'parked')).toBe(true)
  const job = ((await queue?.getDelayed()) ?? []).find(({ data }) => data.kind === 'parked')
  await job?.promote()
  await expect.poll(() => job?.isCompleted()).toBe(true)
}

test('refused records are parked together, and the good ones among them arrive', async () => {
  statements = 0
  await Promise.all([cache.counter.set({ name: 'good' }, { value: 1 }), write()])
  await cache.startWorker()
  await expect.poll(async () => (await cache.parked()).length).toBe(REFUSED)
  await expect.poll(written).toBe(1)
  expect(statements).toBeLessThan(40)
  for (const { reason } of await cache.parked()) expect(reason).toMatch(/\(23514, constraint small\)$/)
})

test('a record that heals brings along those that were refused for the same reason', async () => {
  await parkAll()
  await database.query('alter table "Counter" drop constraint small')
  statements = 0
  await promoteOne()
  await expect.poll(written).toBe(REFUSED)
  await expect.poll(async () => (await cache.parked()).length).toBe(0)
  expect(statements).toBeLessThan(20)
})

test('where most of the others are still refused, they are left in peace', async () => {
  await cache.close()
  cache = await connect({ batchSize: 20 })
  await parkAll()
  await database.query('alter table "Counter" drop constraint small')
  await database.query(`create function one() returns trigger language plpgsql as $$ begin
    if (select count(*) from "Counter") > 0 then raise exception sqlstate '23514' using constraint = 'small'; end if; return new; end $$`)
  await database.query('create trigger one before insert on "Counter" for each row execute function one()')
  await promoteOne()
  expect(await written()).toBe(1)
  const parked = await cache.parked()
  expect(parked).toHaveLength(REFUSED - 1)
  expect(parked.filter(({ attempts }) => attempts === 2)).toHaveLength(20)
  await database.query('drop trigger one on "Counter"')
  await database.query('drop function one')
})

test('a flush tries parked records together, and names those that are refused', async () => {
  await parkAll()
  statements = 0
  const error = await cache.flush().catch((each: unknown) => each)
  expect(error).toBeInstanceOf(ParkedError)
  expect([...(error as ParkedError).keys].sort()).toEqual([...names].sort())
  expect(statements).toBeLessThan(20)
  await database.query('alter table "Counter" drop constraint small')
  statements = 0
  expect(await cache.flush()).toEqual({ records: REFUSED })
  expect(statements).toBeLessThan(20)
})

test('parked records that are written again are claimed together, and those that are good now arrive', async () => {
  await parkAll()
  statements = 0
  await Promise.all(names.map((name, n) => cache.counter.set({ name }, { value: n < 100 ? 1 : 1000 })))
  await expect.poll(written).toBe(100)
  await expect.poll(async () => (await cache.parked()).filter(({ attempts }) => attempts > 1).length).toBe(REFUSED - 100)
  expect(statements).toBeLessThan(60)
})
