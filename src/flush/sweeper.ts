import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import { OwnError } from '../redaction.js'
import type { ShardNames } from '../redis/keys.js'
import { withoutArguments } from '../redis/refusal.js'
import type { Store } from '../redis/store.js'
import type { Flusher } from './flusher.js'
import type { FlushJobData } from './job.js'
import { isDeadly } from './quarantine.js'
import type { QueueState } from './queue-state.js'
import { Rescuer } from './rescuer.js'
import { type FailedJob, type FailedJobs, type Scheduler, unlessGone } from './scheduler.js'

/** Changes of a shard looked at in one sweep, or so, whether they are in the index. */
const MAX_REINDEXED = 1000
/** Failed jobs looked at in one sweep. */
const MAX_FAILED = 1000
/** Parked records of a shard looked at in one sweep: where there are more, one that came through brings along the others. */
const PARKED_IN_A_SWEEP = 100
/** A parked record whose job has used up its attempts gets another one after this long, ms. */
const PARKED_PAUSE = 300_000
/**
 * A shard that is overdue for the longest wait of a job, and so many sweeps, is flushed by the sweeper itself: whatever there is of jobs, none of
 * them brings its writes into the database.
 */
const PATIENCE = 5
/** Jobs looked at together. */
const AT_ONCE = 100

export interface SweeperContext {
  readonly model: string
  readonly policy: ResolvedPolicy
  /** Ms between two sweeps. */
  readonly interval: number
  readonly shards: ShardNames
  readonly store: Store
  readonly flusher: Flusher
  readonly scheduler: Scheduler
  readonly events: Events
}

/**
 * Finds dirty shards and parked records that no job will come for, whatever became of their jobs, and sets an alarm; where that cannot be done, or
 * does not help, it flushes them itself, unless the queue is paused. Takes failed jobs off the board whose shard or record is well again, so that
 * the failed list is the list of what is wrong now. It trusts nothing that it reads from a queue, and what is wrong with one thing keeps it from no other.
 */
export class Sweeper {
  readonly #context: SweeperContext
  readonly #rescuer: Rescuer
  /** What was wrong with the queue at the last sweep. */
  #problem: string | undefined
  /** Where the last sweep has stopped in the parked records of a shard. */
  readonly #cursors = new Map<number, string>()
  /** Of each shard what was looked at last for changes that are not in the index, and where that goes on. */
  readonly #looks = new Map<number, { what: 'packed' | 'parked'; cursor: string }>()
  #timer: NodeJS.Timeout | undefined
  #sweep: Promise<void> | undefined
  #running = false

  constructor(context: SweeperContext) {
    this.#context = context
    this.#rescuer = new Rescuer(context)
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    this.#next()
  }

  /** Resolves when the sweep under way has ended. */
  async stop(): Promise<void> {
    this.#running = false
    clearTimeout(this.#timer)
    await this.#sweep
  }

  /** One sweep. What fails on the way is reported; @throws when Redis does not say its time */
  async sweep(): Promise<void> {
    const { shards, store, scheduler } = this.#context
    const now = await store.now()
    const failures: Failures = new Map()
    const queue = (await attempt(failures, this.#lookAtQueue())) ?? 'running'
    const nothing: FailedJobs = { jobs: [], more: true }
    const failed = queue === 'broken' ? nothing : ((await attempt(failures, scheduler.failed(MAX_FAILED))) ?? nothing)
    const held: number[] = []
    for (let shard = 0; shard < shards.count; shard++)
      if (await attempt(failures, this.#sweepShard(shard, now, queue, failed, failures))) held.push(shard)
    await this.#sweepFailed(failed.jobs, now, failures)
    if (queue !== 'paused') await Promise.all(held.map((shard) => this.#rescuer.flush(shard)))
    for (const error of failures.values()) this.#context.events.emit('failure', { step: 'sweep', model: this.#context.model, error })
  }

  #next(): void {
    // Spread, so that the workers of a fleet do not sweep at once.
    this.#timer = setTimeout(
      () => {
        this.#sweep = this.sweep()
          .catch((error: Error) => void this.#context.events.emit('failure', { step: 'sweep', model: this.#context.model, error }))
          .finally(() => {
            if (this.#running) this.#next()
          })
      },
      this.#context.interval * (0.75 + Math.random() / 2),
    )
  }

  /** Says what is wrong with the queue, once. */
  async #lookAtQueue(): Promise<QueueState['queue']> {
    const { scheduler, model, events } = this.#context
    const { queue, problem } = await scheduler.state()
    if (problem !== undefined && problem !== this.#problem)
      events.emit('failure', { step: 'queue', model, error: new OwnError(`${model}: ${problem}`) })
    this.#problem = problem
    return queue
  }

  /** Whether the shard needs to be flushed at once, without a job. */
  async #sweepShard(shard: number, now: number, queue: QueueState['queue'], failed: FailedJobs, failures: Failures): Promise<boolean> {
    const { policy, shards, store, interval } = this.#context
    await attempt(failures, this.#reindex(shard))
    const { inFlight, firstDue = now, parked } = await store.status(shards.prefix(shard))
    const overdue = now - firstDue
    const isOverdue = overdue > interval
    const isBroken = queue === 'broken'
    const isSet = !isBroken && (!(inFlight || isOverdue) || (await attempt(failures, this.#wake(shard, isOverdue))) === true)
    if (parked > 0) await attempt(failures, this.#wakeParked(shard, queue, failed, failures))
    return isOverdue && (!isSet || overdue > policy.maxBackoff + PATIENCE * interval)
  }

  async #wake(shard: number, isOverdue: boolean): Promise<true> {
    const { model, policy, shards, store, scheduler } = this.#context
    // One alarm serves a shard in both modes: a flush takes all that is due.
    const key = policy.jobs === 'record' ? await store.firstDirty(shards.prefix(shard)) : undefined
    const alarm: FlushJobData = key === undefined ? { kind: 'shard', model, shard } : { kind: 'record', model, shard, key }
    await (isOverdue ? scheduler.hasten(alarm) : scheduler.ensure(alarm, 0))
    return true
  }

  async #wakeParked(shard: number, queue: QueueState['queue'], failed: FailedJobs, failures: Failures): Promise<void> {
    const { model, policy, shards, store, scheduler } = this.#context
    const listed = new Set(failed.jobs.map(({ data }) => (data.kind === 'parked' ? data.key : '')))
    const { entries, cursor } = await store.parkedPage(shards.prefix(shard), this.#cursors.get(shard) ?? '0', PARKED_IN_A_SWEEP)
    if (cursor === undefined) this.#cursors.delete(shard)
    else this.#cursors.set(shard, cursor)
    const keys = entries.map(({ key }) => key).filter((key) => !listed.has(key))
    // Where more are parked than are listed, one that is not may have failed just now.
    const delay = failed.more ? PARKED_PAUSE : 0
    const wake = async (key: string) => {
      await scheduler.ensure({ kind: 'parked', model, shard, key }, delay, Math.max(policy.maxBackoff, PARKED_PAUSE))
      return true
    }
    const held = queue === 'broken' ? keys : []
    for (let from = 0; queue !== 'broken' && from < keys.length; from += AT_ONCE) {
      const woken = keys.slice(from, from + AT_ONCE).map(async (key) => {
        if (!(await attempt(failures, wake(key)))) held.push(key)
      })
      await Promise.all(woken)
    }
    const deadly = new Set(entries.filter(isDeadly).map(({ key }) => key))
    const tried = held.filter((key) => !deadly.has(key))
    if (queue !== 'paused') await this.#rescuer.retry(shard, tried, PARKED_PAUSE)
  }

  /** Nothing comes for a change that is not in the index. */
  async #reindex(shard: number): Promise<void> {
    const { store, shards } = this.#context
    const { what, cursor } = this.#looks.get(shard) ?? { what: 'packed', cursor: '0' }
    const next = await store.reindex(shards.prefix(shard), what, cursor, MAX_REINDEXED)
    const other = what === 'packed' ? 'parked' : 'packed'
    this.#looks.set(shard, { what: next === '0' ? other : what, cursor: next })
  }

  async #sweepFailed(failed: readonly FailedJob[], now: number, failures: Failures): Promise<void> {
    const seen = new Set<string>()
    for (const failure of failed) {
      const what = JSON.stringify(failure.data)
      await attempt(failures, this.#settle(failure, seen.has(what), now))
      seen.add(what)
    }
  }

  /** Takes a failed job off the board, if all is well or another one says the same, or starts it again. */
  async #settle({ job, data }: FailedJob, isSaid: boolean, now: number): Promise<void> {
    if (isSaid || (await this.#isWell(data, job.finishedOn))) await unlessGone(job.remove())
    else if (data.kind === 'parked' && (job.finishedOn ?? 0) < now - PARKED_PAUSE) await unlessGone(job.retry('failed'))
  }

  /** Whether all that was due when the job failed is in the database. */
  async #isWell(data: FlushJobData, finishedOn = Number.POSITIVE_INFINITY): Promise<boolean> {
    const { shards, store } = this.#context
    const prefix = shards.prefix(data.shard)
    if (data.kind === 'parked') return !(await store.isParked(prefix, data.key))
    const due = data.kind === 'record' ? await store.due(prefix, data.key) : (await store.status(prefix)).firstDue
    return due === undefined || (due > finishedOn && due !== Number.POSITIVE_INFINITY)
  }
}

/** What failed in a sweep, by message: what is wrong with many jobs is said once. */
type Failures = Map<string, Error>

/** `undefined`: it failed. */
async function attempt<T>(failures: Failures, task: Promise<T>): Promise<T | undefined> {
  try {
    return await task
  } catch (caught) {
    const error = withoutArguments(caught as Error)
    failures.set(error.message, error)
    return undefined
  }
}
