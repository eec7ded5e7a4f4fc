/** A transaction that sees the database as it was before its first statement sees all that was acknowledged before that. */
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { createMigratedDatabase, createRedis, type MigratedDatabase } from '../fixture.js'
import { DEFERRED, key } from './stage.js'

type Level = 'ReadCommitted' | 'RepeatableRead' | 'Serializable'

const { redis, namespace, clean } = createRedis()
const closing: (() => Promise<unknown>)[] = []
let database: MigratedDatabase

beforeAll(async () => {
  database = await createMigratedDatabase()
})

afterAll(async () => {
  for (const close of closing) await close()
  await clean()
  await database.drop()
})

/** @param session settings of the database's sessions */
async function connect(options: { isolationLevel?: Level; session?: string; max?: number } = {}) {
  const { isolationLevel, session = '', max = 5 } = options
  const address = new URL(database.url)
  address.searchParams.set('options', session)
  const adapter = new PrismaPg({ connectionString: address.toString(), max })
  const timeouts = { maxWait: 30_000, timeout: 60_000 }
  const prisma = new PrismaClient({ adapter, transactionOptions: { ...timeouts, ...(isolationLevel ? { isolationLevel } : {}) } })
  const policies = { counter: DEFERRED, pageView: DEFERRED } as const
  const cache = await createWriteBehind({ prisma, redis, namespace: `${namespace}-${closing.length}`, models, policies })
  closing.push(async () => {
    await cache.close()
    await prisma.$disconnect()
  })
  return { cache, db: prisma.$extends(cache.extension()) }
}

type Client = Awaited<ReturnType<typeof connect>>['db']

/** Two rows, not flushed. */
async function twoCounters(db: Client): Promise<[string, string]> {
  const [first, second] = [key(), key()]
  await db.counter.create({ data: { name: first, value: 1 } })
  await db.counter.create({ data: { name: second, value: 1 } })
  return [first, second]
}

const LEVELS: readonly [string, Parameters<typeof connect>[0], { isolationLevel?: Level }][] = [
  ['RepeatableRead', {}, { isolationLevel: 'RepeatableRead' }],
  ['Serializable', {}, { isolationLevel: 'Serializable' }],
  ["RepeatableRead by the client's options", { isolationLevel: 'RepeatableRead' }, {}],
  ['Serializable by the database', { session: '-c default_transaction_isolation=serializable' }, {}],
]

describe.each(LEVELS)('%s:', (_, options, given) => {
  let db: Client
  let cache: Awaited<ReturnType<typeof connect>>['cache']

  beforeAll(async () => {
    const connected = await connect(options)
    db = connected.db
    cache = connected.cache
  })

  test('an interactive transaction sees, and can change, what was written before it', async () => {
    const [first, second] = await twoCounters(db)
    const seen = await db.$transaction(async (tx) => {
      const row = await tx.counter.findUnique({ where: { name: first } })
      const others = await tx.counter.findMany({ where: { name: second } })
      return [row, ...others, await tx.counter.update({ where: { name: second }, data: { value: { increment: 1 } } })]
    }, given)
    expect(seen).toMatchObject([
      { name: first, value: 1n },
      { name: second, value: 1n },
      { name: second, value: 2n },
    ])
  })

  test('and what was written before its first statement', async () => {
    const [first, second] = [key(), key()]
    const seen = await db.$transaction(async (tx) => {
      await cache.counter.increment({ name: first }, { value: 1 })
      await cache.counter.increment({ name: second }, { value: 1 })
      await tx.document.count()
      return [await tx.counter.findUnique({ where: { name: first } }), await tx.counter.count({ where: { name: second } })]
    }, given)
    expect(seen).toEqual([{ name: first, value: 1n }, 1])
  })

  test('a batch sees what was written before it', async () => {
    const [first, second] = await twoCounters(db)
    const reads = [first, second].map((name) => db.counter.findMany({ where: { name } }))
    expect(await db.$transaction(reads, given)).toMatchObject([[{ value: 1n }], [{ value: 1n }]])
  })
})

test('a level that raw SQL sets', async () => {
  const { db } = await connect()
  const [first, second] = await twoCounters(db)
  const seen = await db.$transaction(async (tx) => {
    await tx.$executeRaw`set transaction isolation level repeatable read`
    return [await tx.counter.findUnique({ where: { name: first } }), await tx.counter.findUnique({ where: { name: second } })]
  })
  expect(seen).toMatchObject([{ value: 1n }, { value: 1n }])
})

test('read committed flushes what is touched, and nothing else', async () => {
  const { db, cache } = await connect()
  const [first, second] = await twoCounters(db)
  for (const given of [{}, { isolationLevel: 'ReadCommitted' as const }])
    await db.$transaction((tx) => tx.counter.findUnique({ where: { name: first } }), given)
  expect(await cache.counter.isPersisted({ name: first })).toBe(true)
  expect(await cache.counter.isPersisted({ name: second })).toBe(false)
})

test('a record that the database refuses fails the call about it, and no other transaction', async () => {
  const { db } = await connect()
  const [name, path] = [key(), key()]
  await database.query(`insert into "Counter" values ($1, 5)`, [name])
  await db.counter.findUnique({ where: { name } })
  await database.query(`alter table "Counter" add constraint small check (value < 10) not valid`)
  await db.counter.update({ where: { name }, data: { value: 11 } })
  const given = { isolationLevel: 'Serializable' as const }
  expect(await db.$transaction((tx) => tx.pageView.create({ data: { path } }), given)).toMatchObject({ path })
  await expect(db.$transaction((tx) => tx.counter.findUnique({ where: { name } }), given)).rejects.toMatchObject({ code: 'PARKED' })
  await database.query('alter table "Counter" drop constraint small')
})

test('with one connection in the pool the flush is over before the transaction has it', async () => {
  const { db } = await connect({ isolationLevel: 'Serializable', max: 1 })
  const [first, second] = await twoCounters(db)
  const seen = await db.$transaction((tx) => tx.counter.findMany({ where: { name: { in: [first, second] } } }))
  expect(seen).toHaveLength(2)
})
