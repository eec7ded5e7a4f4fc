import { setTimeout as sleep } from 'node:timers/promises'
import { models } from '../../generated/write-behind.js'
import { queueName } from '../../src/flush/scheduler.js'
import { queuePrefix } from '../../src/redis/keys.js'
import { until } from '../until.js'
import { readRows } from './audit.js'
import { check } from './checker.js'
import { leftovers } from './drain.js'
import { Fleet } from './fleet.js'
import { History } from './history.js'
import type { ChaosOptions, Measurement } from './options.js'
import { MODELS } from './queues.js'
import { measureRefused } from './refused.js'
import { Stage } from './stage.js'

export interface Measured {
  readonly figures: Readonly<Record<string, number | string>>
  readonly isGood: boolean
}

/** What a measurement works with. All options of the library are the defaults. */
interface Setting {
  readonly stage: Stage
  readonly fleet: Fleet
  readonly history: History
  readonly options: ChaosOptions
  say(line: string): void
}

const PATIENCE = 60_000
const DRAIN_TIMEOUT = 180_000
const KILLS = 10
/** Required: after a SIGKILL everything is in the database within this many ms. */
const MAX_RECOVERY = 10_000
/** Required: a backlog drains at this many rows a second. */
const MIN_DRAIN_RATE = 10_000

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

/** Kills two of three workers in the middle of their batches, and measures until all acknowledged writes are in the database. */
async function measureKill({ stage, fleet, history, say }: Setting): Promise<Measured> {
  const times: number[] = []
  let orphans = 0
  for (let round = 1; round <= KILLS; round++) {
    fleet.resume()
    await sleep(3000 + 100 * round)
    await until('a batch in flight', PATIENCE, async () => (await leftovers(stage)).some(({ inFlight }) => inFlight))
    for (const worker of fleet.workers) worker.signal('SIGSTOP')
    const inFlight = (await leftovers(stage)).filter((each) => each.inFlight).length
    for (const worker of fleet.workers.slice(0, 2)) worker.signal('SIGKILL')
    const started = performance.now()
    fleet.workers[2]?.signal('SIGCONT')
    await fleet.pause(PATIENCE)
    await sleep(200)
    const orphaned = await activeJobs(stage)
    await untilClean(stage, PATIENCE)
    times.push(Math.round(performance.now() - started))
    orphans += orphaned
    say(
      `kill ${round}: ${inFlight} batches were in flight, ${orphaned} jobs were active 0.2 s later; all was written after ${times.at(-1)} ms`,
    )
    await fleet.heal(PATIENCE)
  }
  const wrong = await countWrong(stage, history)
  const slowest = Math.max(...times)
  const median = times.toSorted((a, b) => a - b)[KILLS >> 1] as number
  const figures = { measure: 'kill', kills: KILLS, orphanedJobs: orphans, medianMs: median, slowestMs: slowest, wrongRecords: wrong }
  return { figures, isGood: slowest <= MAX_RECOVERY && wrong === 0 && orphans > 0 }
}

/** Kills PostgreSQL and starts it again later. The writers write all the time, each call to a record of its own. */
async function measureOutage({ stage, fleet, history, options, say }: Setting): Promise<Measured> {
  fleet.resume()
  await sleep(3000)
  await stage.postgres.kill('SIGKILL')
  say(`PostgreSQL is away for ${options.seconds} s`)
  await sleep(options.seconds * 1000)
  await stage.startPostgres()
  const drain = await measureDrain(stage, options.rate, say)
  await fleet.pause(PATIENCE)
  await untilClean(stage, DRAIN_TIMEOUT)
  const figures = {
    measure: 'outage',
    acknowledged: history.acknowledged,
    refused: history.refused,
    ...drain,
    failedJobs: await failedJobs(stage),
    wrongRecords: await countWrong(stage, history),
  }
  return { figures, isGood: drain.rowsPerSecond >= MIN_DRAIN_RATE && figures.wrongRecords === 0 && figures.failedJobs === 0 }
}

/** Measures the drain of the backlog while the writers go on. The `rate` of their writes is dirty at any time, so it is not backlog. */
async function measureDrain(stage: Stage, rate: number, say: (line: string) => void) {
  const returned = performance.now()
  const backlog = await countDirty(stage)
  say(`PostgreSQL is back; ${backlog} dirty records`)
  await until('the first flush', DRAIN_TIMEOUT, async () => (await countDirty(stage)) < backlog)
  const first = performance.now()
  await until('the drain of the backlog', DRAIN_TIMEOUT, async () => (await countDirty(stage)) <= rate)
  const drained = performance.now()
  return {
    backlog,
    firstFlushMs: Math.round(first - returned),
    drainMs: Math.round(drained - returned),
    rowsPerSecond: Math.round(backlog / ((drained - first) / 1000)),
    rowsThen: await rowsOf(stage),
  }
}

async function untilClean(stage: Stage, timeout: number): Promise<void> {
  await until('all shards to be clean', timeout, async () => (await leftovers(stage)).length === 0)
}

async function countWrong(stage: Stage, history: History): Promise<number> {
  return check({ before: new Map(), after: await readRows(stage.query), history: history.byRecord, steps: [] }).length
}

async function countDirty(stage: Stage): Promise<number> {
  return (await leftovers(stage)).reduce((total, { dirty }) => total + dirty, 0)
}

async function rowsOf(stage: Stage): Promise<number> {
  const [row] = await stage.query<{ rows: number }>('select count(*)::int as rows from page_views')
  return row?.rows ?? 0
}

function activeJobs({ redis, namespace }: Stage): Promise<number> {
  return countJobs(namespace, 'active', (key) => redis.llen(key))
}

function failedJobs({ redis, namespace }: Stage): Promise<number> {
  return countJobs(namespace, 'failed', (key) => redis.zcard(key))
}

async function countJobs(namespace: string, state: string, count: (key: string) => Promise<number>): Promise<number> {
  const keys = MODELS.map((model) => `${queuePrefix(namespace)}:${queueName(namespace, models[model].name)}:${state}`)
  return (await Promise.all(keys.map(count))).reduce((total, each) => total + each, 0)
}
