/**
 * The library's own steps in every order that fast-check's scheduler can think of: two writers, two readers and three flushers on one
 * shard, with lost replies, flushers that die, refused rows and views that expire. A failure prints the seed that plays it again.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prepareDatabase } from './failpoints/case.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import { History, Sum } from './schedules/expectation.js'
import { type Fault, Steps } from './schedules/steps.js'
import { type Calls, connectServers, type Servers, World } from './schedules/world.js'

const RUNS = Number(process.env.RUNS ?? 60)
const COUNTERS = ['a', 'b', 'c', 'e'] as const
/** A record that only the first writer sets, deletes and inserts again. */
const DOCUMENT = 'd'

type Counter = (typeof COUNTERS)[number]
type WriterStep = { readonly do: 'add'; readonly key: Counter; readonly amount: number } | { readonly do: 'set' | 'delete' }
type OtherStep = { readonly do: 'refuse' | 'accept' | 'expire'; readonly key: Counter }

interface Program {
  readonly writers: readonly (readonly WriterStep[])[]
  readonly readers: readonly (readonly (Counter | typeof DOCUMENT)[])[]
  readonly flushers: readonly (readonly (Counter | 'due')[])[]
  readonly others: readonly OtherStep[]
  readonly faults: readonly Fault[]
}

const { redis, namespace, clean } = createRedis()
let database: TestDatabase
let servers: Servers
let steps: Steps
let replay: fc.Parameters<[fc.Scheduler, Program]>

beforeAll(async () => {
  database = await createDatabase()
  await prepareDatabase(database)
  servers = connectServers(database, redis)
  replay = { numRuns: RUNS, endOnFailure: true, ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }) }
})

afterAll(async () => {
  await clean()
  await database.drop()
})

test('in any order of steps, rows and views end as written, and no read misses a write', { timeout: 3_600_000 }, async () => {
  const act = async (release: () => Promise<void>) => {
    await release()
    await steps.settle()
  }
  await fc.assert(
    fc.asyncProperty(fc.scheduler({ act }), program(), (scheduler, each) => play(scheduler, each)),
    replay,
  )
})

async function play(scheduler: fc.Scheduler, { writers, readers, flushers, others, faults }: Program): Promise<void> {
  steps = new Steps(scheduler, faults)
  const world = new World(servers, steps, `${namespace}-${randomUUID().slice(0, 8)}`)
  const caches = [world.cache(), world.cache()]
  const sums = Object.fromEntries(COUNTERS.map((key) => [key, new Sum()])) as Record<Counter, Sum>
  const history = new History<number | null>(null)
  const actors = [
    ...writers.map((list, n) => writeAll(caches[n] as Calls, world, list, sums, history)),
    ...readers.map((list, n) => readAll(caches[n] as Calls, world, list, sums, history)),
    ...flushers.map((list) => flushAll(world, list)),
    changeAll(world, others),
  ]
  await steps.settle()
  await scheduler.waitFor(Promise.all(actors))
  steps.open()
  for (const key of COUNTERS) await world.refuse(key, false)
  await world.drain()
  expect(await world.rows()).toEqual(expectedRows(world, sums, history))
  for (const cache of caches) await readAll(cache, world, [...COUNTERS, DOCUMENT], sums, history)
  expect(await world.leftInRedis()).toEqual([])
  expect(world.steppedBack).toEqual([])
}

async function writeAll(
  cache: Calls,
  world: World,
  list: readonly WriterStep[],
  sums: Record<Counter, Sum>,
  history: History<number | null>,
): Promise<void> {
  const where = { path: world.path(DOCUMENT) }
  for (const [n, step] of list.entries()) {
    if (step.do === 'add') {
      const { key, amount } = step
      await sums[key].add(amount, () => cache.increment({ path: world.path(key) }, { views: amount }))
    } else if (step.do === 'set') {
      await history.append(n, () => cache.upsert({ where, create: { lastStatus: n }, update: { lastStatus: n } }))
    } else {
      await history.append(null, () => cache.delete({ where }))
    }
  }
}

async function readAll(
  cache: Calls,
  world: World,
  list: readonly (Counter | typeof DOCUMENT)[],
  sums: Record<Counter, Sum>,
  history: History<number | null>,
): Promise<void> {
  for (const key of list) {
    const read = () => untilAnswered(() => cache.findUnique({ where: { path: world.path(key) } }))
    if (key === DOCUMENT) await history.check(async () => (await read())?.lastStatus ?? null)
    else await sums[key].check(async () => (await read())?.views ?? 0n)
  }
}

/** A flusher that dies leaves its batch in flight, and another takes its place. */
async function flushAll(world: World, list: readonly (Counter | 'due')[]): Promise<void> {
  for (const target of list) {
    await new Promise<void>((resolve, reject) => {
      const what = target === 'due' ? { due: Date.now() } : { key: world.path(target) }
      const ended = (error?: Error) => (error === undefined || isOutage(error) ? resolve() : reject(error))
      world
        .flusher(() => resolve())
        .flush(0, what, 3)
        .then(() => ended(), ended)
    })
  }
}

async function changeAll(world: World, list: readonly OtherStep[]): Promise<void> {
  for (const step of list) {
    await steps
      .step(`${step.do} ${step.key}`, () => (step.do === 'expire' ? world.expire(step.key) : world.refuse(step.key, step.do === 'refuse')))
      .catch(() => {})
  }
}

async function untilAnswered<T>(read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!isOutage(error as Error)) throw error
    }
  }
}

function isOutage(error: Error): boolean {
  return (error as { code?: string }).code === 'OUTAGE' || error.message === 'Connection terminated unexpectedly'
}

function expectedRows(world: World, sums: Record<Counter, Sum>, history: History<number | null>) {
  const counters = COUNTERS.filter((key) => sums[key].issued > 0n).map((key) => ({
    path: world.path(key),
    views: String(sums[key].issued),
    lastStatus: null,
  }))
  const document = history.last === null ? [] : [{ path: world.path(DOCUMENT), views: '0', lastStatus: history.last }]
  return [...counters, ...document].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function program(): fc.Arbitrary<Program> {
  const counter = fc.constantFrom(...COUNTERS)
  const add = fc.record({ do: fc.constant('add' as const), key: counter, amount: fc.integer({ min: 1, max: 9 }) })
  const set = fc.constantFrom({ do: 'set' as const }, { do: 'set' as const }, { do: 'delete' as const })
  const list = <T>(item: fc.Arbitrary<T>, maxLength: number) => fc.array(item, { minLength: 1, maxLength, size: 'max' })
  return fc.record({
    writers: fc.tuple(list(fc.oneof(add, add, set), 8), list(add, 8)),
    readers: fc.tuple(list(fc.constantFrom(...COUNTERS, DOCUMENT), 6), list(fc.constantFrom(...COUNTERS, DOCUMENT), 6)),
    flushers: fc.tuple(
      list(fc.constantFrom('due', 'due', 'due', ...COUNTERS), 4),
      list(fc.constant('due' as const), 4),
      list(fc.constant('due' as const), 3),
    ),
    others: list(fc.record({ do: fc.constantFrom('refuse', 'accept', 'expire', 'expire'), key: counter }), 8),
    faults: fc.array(
      fc.oneof({ weight: 12, arbitrary: fc.constant('none' as const) }, { weight: 1, arbitrary: fc.constantFrom('lost', 'crash') }),
      {
        minLength: 60,
        maxLength: 60,
      },
    ),
  })
}
