import { setTimeout as sleep } from 'node:timers/promises'
import { models } from '../../generated/write-behind.js'
import { readRows } from './audit.js'
import { check, type Rows } from './checker.js'
import { leftovers } from './drain.js'
import { MODELS } from './faults.js'
import { Fleet } from './fleet.js'
import { History } from './history.js'
import type { ChaosOptions, Measurement } from './options.js'
import { measureRefused } from './refused.js'
import { Stage } from './stage.js'
import { until } from './until.js'

export interface Measured {
  readonly figures: Readonly<Record<string, number | string>>
  readonly isGood: boolean
}

/** What is measured is measured with the library's default options. */
interface Bench {
  readonly stage: Stage
  readonly fleet: Fleet
  readonly history: History
  readonly options: ChaosOptions
  say(line: string): void
}

const PATIENCE = 60_000
const DRAIN_TIMEOUT = 180_000
const KILLS = 10
/** Required: after a SIGKILL everything is in the database within ms; a backlog drains at rows a second. */
const LONGEST_RECOVERY = 10_000
const SLOWEST_DRAIN = 10_000

export async function measure(what: Measurement, options: ChaosOptions, say: (line: string) => void): Promise<Measured> {
  const stage = await Stage.start()
  return what === 'refused' ? measureRefused(stage, say).finally(() => stage.stop()) : measureFleet(what, stage, options, say)
}

async function measureFleet(
  what: Exclude<Measurement, 'refused'>,
  stage: Stage,
  options: ChaosOptions,
  say: (line: string) => void,
): Promise<Measured> {
  const history = new History()
  const { redisUrl, databaseUrl, namespace } = stage
  const { seed, rate } = options
  const settings = { redisUrl, databaseUrl, namespace, naive: false, seed, rate, defaults: true, spread: what === 'outage' }
  const fleet = new Fleet({ ...settings, history, onEvent: () => {} })
  try {
    fleet.start()
    await fleet.heal(PATIENCE)
    return await (what === 'kill' ? measureKill : measureOutage)({ stage, fleet, history, options, say })
  } finally {
    await fleet.stop()
    await stage.stop()
  }
}

/** From SIGKILL of two of three workers, in the middle of their batches, until all that was acknowledged is in the database. */
async function measureKill({ stage, fleet, history, say }: Bench): Promise<Measured> {
  const times: number[] = []
  let orphans = 0
  for (let round = 1; round <= KILLS; round++) {
    fleet.resume()
    await sleep(3000 + 100 * round)
    await until(
      PATIENCE,
      () => 'a batch in flight',
      async () => (await leftovers(stage)).some(({ inFlight }) => inFlight),
    )
    for (const worker of fleet.workers) worker.signal('SIGSTOP')
    const inFlight = (await leftovers(stage)).filter((each) => each.inFlight).length
    for (const worker of fleet.workers.slice(0, 2)) worker.signal('SIGKILL')
    const started = performance.now()
    fleet.workers[2]?.signal('SIGCONT')
    await fleet.pause(PATIENCE)
    await sleep(200)
    const orphaned = await activeJobs(stage)
    await until(
      PATIENCE,
      () => 'the drain',
      async () => (await leftovers(stage)).length === 0,
    )
    times.push(Math.round(performance.now() - started))
    orphans += orphaned
    say(`kill ${round}: ${inFlight} batches in flight, ${orphaned} jobs active 0.2 s later; all in the database after ${times.at(-1)} ms`)
    await fleet.heal(PATIENCE)
  }
  const wrong = check({ before: new Map(), after: await readRows(stage.query), history: history.byRecord, steps: [] }).length
  const slowest = Math.max(...times)
  const median = times.toSorted((a, b) => a - b)[KILLS >> 1] as number
  const figures = { measure: 'kill', kills: KILLS, orphanedJobs: orphans, medianMs: median, slowestMs: slowest, wrongRecords: wrong }
  return { figures, isGood: slowest <= LONGEST_RECOVERY && wrong === 0 && orphans > 0 }
}

/** PostgreSQL dies and stays away, the writers go on, each call with a record of its own; then it returns, and they still go on. */
async function measureOutage({ stage, fleet, history, options, say }: Bench): Promise<Measured> {
  fleet.resume()
  await sleep(3000)
  await stage.postgres.kill('SIGKILL')
  say(`PostgreSQL is away for ${options.seconds} s`)
  await sleep(options.seconds * 1000)
  await stage.startPostgres()
  const returned = performance.now()
  const backlog = await countDirty(stage)
  say(`PostgreSQL is back; ${backlog} dirty records`)
  await until(
    DRAIN_TIMEOUT,
    () => 'the first flush',
    async () => (await countDirty(stage)) < backlog,
  )
  const first = performance.now()
  // What the writers keep dirty at any time by default settings is not backlog.
  await until(
    DRAIN_TIMEOUT,
    () => 'the drain',
    async () => (await countDirty(stage)) <= options.rate,
  )
  const drained = performance.now()
  const rowsBehind = await rowsOf(stage)
  await fleet.pause(PATIENCE)
  await until(
    DRAIN_TIMEOUT,
    () => 'the rest',
    async () => (await leftovers(stage)).length === 0,
  )
  const after: Rows = await readRows(stage.query)
  const wrong = check({ before: new Map(), after, history: history.byRecord, steps: [] }).length
  const rate = Math.round(backlog / ((drained - first) / 1000))
  const figures = {
    measure: 'outage',
    acknowledged: history.acknowledged,
    refused: history.refused,
    backlog,
    firstFlushMs: Math.round(first - returned),
    drainMs: Math.round(drained - returned),
    rowsPerSecond: rate,
    rowsThen: rowsBehind,
    failedJobs: await failedJobs(stage),
    wrongRecords: wrong,
  }
  return { figures, isGood: rate >= SLOWEST_DRAIN && wrong === 0 && figures.failedJobs === 0 }
}

async function countDirty(stage: Stage): Promise<number> {
  return (await leftovers(stage)).reduce((total, { dirty }) => total + dirty, 0)
}

async function rowsOf(stage: Stage): Promise<number> {
  const [row] = await stage.query<{ rows: number }>('select count(*)::int as rows from page_views')
  return row?.rows ?? 0
}

async function activeJobs({ redis, namespace }: Stage): Promise<number> {
  const counts = await Promise.all(MODELS.map((model) => redis.llen(queueKey(namespace, model, 'active'))))
  return counts.reduce((total, count) => total + count, 0)
}

async function failedJobs({ redis, namespace }: Stage): Promise<number> {
  const counts = await Promise.all(MODELS.map((model) => redis.zcard(queueKey(namespace, model, 'failed'))))
  return counts.reduce((total, count) => total + count, 0)
}

function queueKey(namespace: string, model: (typeof MODELS)[number], name: string): string {
  return `{${namespace}}:queues:${namespace}.${models[model].name}:${name}`
}
