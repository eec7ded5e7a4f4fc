/** A close flushes what its own process wrote, and leaves the rest to the workers. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, type FailureEvent, type SqlClient } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { counter: still, player: still } as const
type Counters = Cache<typeof models, typeof policies>
const { redis, namespace, empty, clean } = createRedis()
const open: Counters[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close({ drain: 'none' })))
  await empty()
  await database.query('alter table "Counter" drop constraint if exists small')
  await database.query('truncate "Counter", players, write_behind_ledger')
})

afterAll(async () => {
  await clean()
  await database.drop()
})

async function connect(prisma: SqlClient = database.prisma): Promise<Counters> {
  const cache = await createWriteBehind({ prisma, redis, namespace, models, policies })
  open.push(cache)
  return cache
}

const names = (count: number, of = 'a') => Array.from({ length: count }, (_, n) => `${of}${n}`)
const increment = (cache: Counters, all: readonly string[]) =>
  Promise.all(all.map((name) => cache.counter.increment({ name }, { value: 1 })))
const rows = async () => (await database.query<{ name: string }>('select name from "Counter" order by name')).map(({ name }) => name)

test('is of the own records, however many are dirty beside them', async () => {
  const [others, own] = [await connect(), await connect()]
  await increment(others, names(500))
  await increment(own, ['mine'])
  await own.player.upsert({
    where: { id: '6f4d5b0e-9d0c-4a44-8f0e-6a1f6f0d2f11' },
    create: { name: 'x' },
    update: { score: { increment: 1 } },
  })
  expect(await own.close()).toEqual({ flushed: 2, dirty: 500, parked: 0 })
  expect(await rows()).toEqual(['mine'])
  expect(await database.query('select 1 from players')).toHaveLength(1)
})

test('is of all that the process wrote last, where others wrote the same record too', async () => {
  const [others, own] = [await connect(), await connect()]
  await increment(own, ['both'])
  await increment(others, ['both', 'theirs'])
  await increment(own, ['both'])
  expect(await own.close()).toMatchObject({ flushed: 1, dirty: 1 })
  expect(await database.query('select * from "Counter"')).toEqual([{ name: 'both', value: '3' }])
})

test('is of what other calls wrote: an update, a delete, and a call of the extension', async () => {
  await database.query(`insert into "Counter" values ('updated', 1), ('deleted', 1), ('extended', 1)`)
  const [others, own] = [await connect(), await connect()]
  await increment(others, ['theirs'])
  await own.counter.update({ where: { name: 'updated' }, data: { value: 5 } })
  await own.counter.delete({ where: { name: 'deleted' } })
  const db = database.prisma.$extends(own.extension())
  await db.counter.update({ where: { name: 'extended' }, data: { value: { increment: 1 } } })
  expect(await own.close()).toMatchObject({ flushed: 3, dirty: 1 })
  expect(await database.query('select * from "Counter" order by name')).toEqual([
    { name: 'extended', value: '2' },
    { name: 'updated', value: '5' },
  ])
})

test('is of whole shards where the process wrote more records than it remembers, and leaves none of its own', async () => {
  const own = await connect()
  await increment(own, names(700))
  expect(await own.close()).toEqual({ flushed: 700, dirty: 0, parked: 0 })
  expect(await rows()).toHaveLength(700)
})

test('forgets what is in the database: records that others write later are theirs', async () => {
  const [others, own] = [await connect(), await connect()]
  await increment(own, names(700))
  await own.flush()
  // Of both shards.
  await increment(own, names(8, 'mine'))
  await increment(others, names(300))
  expect(await own.close()).toMatchObject({ flushed: 8, dirty: 300 })
})

test('goes past a record that the database refuses, which is told', async () => {
  await database.query('alter table "Counter" add constraint small check (value < 1000)')
  const [others, own] = [await connect(), await connect()]
  await increment(others, ['theirs'])
  const failures: FailureEvent[] = []
  own.events.on('failure', (failure) => void failures.push(failure))
  await own.counter.increment({ name: 'a' }, { value: 5000 })
  await increment(own, ['b', 'c', 'd'])
  expect(await own.close()).toEqual({ flushed: 3, dirty: 2, parked: 1 })
  expect(failures).toMatchObject([{ step: 'flush', error: { code: 'PARKED', keys: ['a'] } }])
})

test('of a worker is of what it wrote itself, which is nothing', async () => {
  const [writer, worker] = [await connect(), await connect()]
  await worker.startWorker()
  await increment(writer, ['a'])
  expect(await worker.close()).toEqual({ flushed: 0, dirty: 1, parked: 0 })
})

describe('what to drain can be said', () => {
  test.each([
    ['all', { flushed: 2, dirty: 0, parked: 0 }],
    ['own', { flushed: 1, dirty: 1, parked: 0 }],
    ['none', { flushed: 0, dirty: 2, parked: 0 }],
  ] as const)('%s', async (drain, report) => {
    const [others, own] = [await connect(), await connect()]
    await increment(others, ['theirs'])
    await increment(own, ['mine'])
    expect(await own.close({ drain })).toEqual(report)
  })

  test('any other word is refused, and nothing closed', async () => {
    const own = await connect()
    await expect(own.close({ drain: 'some' as 'all' })).rejects.toThrow('close.drain: expected one of all, own, none, got "some"')
    await increment(own, ['a'])
  })
})
