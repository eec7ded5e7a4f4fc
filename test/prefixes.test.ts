/** A script stops at any of its commands, in any state of a shard: what was acknowledged, before and afterwards, is in the database once. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { Database } from '../src/database/postgresql/database.js'
import type { RowChange } from '../src/database/postgresql/statement.js'
import { Store } from '../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import { createFailingStore } from './prefixes/failing-store.js'
import { increment, type State, sets } from './prefixes/operations.js'
import { describe as describeRow, isOneOf, Play, type Servers } from './prefixes/play.js'
import { type Preparation, STATES, STATES_OF_MANY } from './prefixes/states.js'
import { STEPS, type Step } from './prefixes/steps.js'

const AT_A_TIME = 24
const MAX_COMMANDS = 300
const MAX_TO_SETTLE = 10
const MAX_IN_A_STATEMENT = 2000

const connection = createRedis()
const other = createRedis()
let database: TestDatabase
let servers: Servers

beforeAll(async () => {
  database = await createDatabase()
  servers = { redis: connection.redis, store: new Store(connection.redis), failing: createFailingStore(other.redis) }
})

afterAll(async () => {
  await connection.clean()
  await other.clean()
  await database.drop()
})

test.each(Object.entries(STATES))('a shard that is %s', async (_, prepare) => {
  expect(await playAll(prepare, Object.entries(STEPS))).toBeGreaterThan(100)
})

test.each(Object.entries(STATES_OF_MANY))('a shard that is %s', async (_, { prepare, steps }) => {
  expect(await playAll(prepare, named(steps))).toBeGreaterThan(10)
})

test.each([
  ['packed', ['set', 'claim of what was written']],
  ['claimed, written again', ['park']],
])('a script that stops while it settles what another one has left of a shard that is %s', async (state, steps) => {
  for (let command = 1; command <= MAX_TO_SETTLE; command++) {
    await playAll(STATES[state] as Preparation, named(steps), async (play) => {
      await play.failAt(command, (store) => play.claim(store))
    })
  }
})

test('a row that is loaded when its batch is acknowledged in part has nothing laid over it twice', async () => {
  const play = new Play(servers, connection.namespace, 'acknowledged in part')
  play.begin('a', { views: 100n, lastStatus: 7 })
  await play.write(['a', increment])
  const { id } = await play.persist()
  await connection.redis.set(`${play.prefix}acked`, id)
  play.begin('a', { views: 102n, lastStatus: 7 })
  await play.load('a')
  await play.look()
  expect(play.views.get('a')).toEqual({ views: 102n, lastStatus: 7 })
})

function named(names: readonly string[]): [string, Step][] {
  return Object.entries(STEPS).filter(([name]) => names.includes(name))
}

/** Plays every command of every step. Returns how many there were. */
async function playAll(prepare: Preparation, steps: readonly [string, Step][], then = async (_: Play) => {}): Promise<number> {
  const plays: Play[] = []
  const faults: string[] = []
  await inTurns(steps, async ([name, step]) => {
    for (let command = 1; command < MAX_COMMANDS; command++) {
      const play = new Play(servers, connection.namespace, `${name}, command ${command}`)
      try {
        if (!(await playFailure(play, prepare, step, command, then))) break
        plays.push(play)
      } catch (error) {
        faults.push(`${play.title}: ${(error as Error).message}`)
      }
    }
  })
  await begin(plays)
  await persist(plays)
  faults.push(...(await differences(plays)))
  expect(faults).toEqual([])
  return plays.length
}

/** Returns whether the step had so many commands. */
async function playFailure(
  play: Play,
  prepare: Preparation,
  step: Step,
  command: number,
  then: (play: Play) => Promise<void>,
): Promise<boolean> {
  await prepare(play)
  const run = await step(play)
  if (run === undefined || !(await play.failAt(command, run))) return false
  await play.look()
  await then(play)
  // The application goes on.
  await play.write(['a', increment], ['b', sets])
  await play.drain()
  await play.look()
  return true
}

async function inTurns<T>(all: readonly T[], run: (each: T) => Promise<void>): Promise<void> {
  const waiting = [...all]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await run(next)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
}

/** The rows that the plays say to have been there from the beginning. */
async function begin(plays: readonly Play[]): Promise<void> {
  const rows = plays.flatMap((play) => [...play.before].flatMap(([key, row]) => (row === null ? [] : [{ path: play.path(key), ...row }])))
  await database.query(
    `insert into page_views (path, views, last_status, updated_at) select path, views, status, now()
      from unnest($1::text[], $2::bigint[], $3::int[]) as t (path, views, status)`,
    [rows.map(({ path }) => path), rows.map(({ views }) => views), rows.map(({ lastStatus }) => lastStatus)],
  )
}

/** The first batches of all plays together, then the second ones, and so on. */
async function persist(plays: readonly Play[]): Promise<void> {
  const statements = new Database(database.prisma, models.pageView, 60_000)
  const ledger = plays[0]?.prefix as string
  let previous: string | null = null
  for (let round = 0; plays.some(({ flushed }) => flushed.length > round); round++) {
    const changes: RowChange[] = plays.flatMap(({ flushed }) => flushed[round] ?? [])
    for (let from = 0; from < changes.length; from += MAX_IN_A_STATEMENT) {
      const id = `${round}-${from}`
      const some = changes.slice(from, from + MAX_IN_A_STATEMENT).sort((a, b) => (a.key < b.key ? -1 : 1))
      expect(await statements.persist(ledger, { id, previous }, statements.prepare(some))).toMatchObject({ outcome: 'applied' })
      previous = id
    }
  }
}

/** Of rows and views from what is possible, and from each other. */
async function differences(plays: readonly Play[]): Promise<string[]> {
  const found = await database.query<{ path: string; views: string; status: number | null }>(
    'select path, views::text, last_status as status from page_views',
  )
  const rows = new Map(found.map(({ path, views, status }): [string, State] => [path, { views: BigInt(views), lastStatus: status }]))
  const differing: string[] = []
  for (const play of plays) {
    for (const [key, possible] of play.possible) {
      const row = rows.get(play.path(key)) ?? null
      const view = play.views.get(key)
      if (!isOneOf(row, possible)) differing.push(`${play.title}: ${key} is ${describeRow(row)}, expected ${play.describe(key)}`)
      if (view !== undefined && !isOneOf(view, [row]))
        differing.push(`${play.title}: ${key} is ${describeRow(row)}, its view ${describeRow(view)}`)
    }
  }
  return differing
}
