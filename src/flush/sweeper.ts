/** Finds what no job will come for. */
import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import { OwnError } from '../redaction.js'
import type { ShardNames } from '../redis/keys.js'
import { withoutArguments } from '../redis/refusal.js'
import type { Store } from '../redis/store.js'
import type { Service } from '../service.js'
import type { Flusher } from './flusher.js'
import type { FlushJobData } from './job.js'
import { isDeadly } from './quarantine.js'
import type { QueueState } from './queue-state.js'
import { Rescuer } from './rescuer.js'
import { type FailedJob, type FailedJobs, type Scheduler, unlessGone } from './scheduler.js'

/** Changes of a shard, about, that one sweep looks for in the dirty index. */
const MAX_REINDEXED = 1000
/** Failed jobs that one sweep looks at. */
const MAX_FAILED = 1000
/** Parked records of a shard that one sweep looks at. It need not look at all, because one that comes through brings along the others. */
const MAX_PARKED = 100
/** Ms after which a parked record whose job has used up its attempts gets another job. */
const PARKED_PAUSE = 300_000
/**
 * Sweeps, beside the longest wait of a job, after which the sweeper flushes an overdue shard itself. Whatever jobs there are, none of them
 * brings the shard's writes into the database.
 */
const PATIENCE = 5
/** Jobs that are looked at together. */
const AT_ONCE = 100

export interface SweeperContext {
  readonly model: string
  readonly policy: Pick<ResolvedPolicy, 'jobs' | 'backoff' | 'maxBackoff'>
  /** Ms between two sweeps. */
  readonly interval: number
  readonly shards: ShardNames
  readonly store: Pick<Store, 'now' | 'times' | 'status' | 'due' | 'firstDirty' | 'isParked' | 'parkedPage' | 'reindex'>
  readonly flusher: Pick<Flusher, 'flush'>
  readonly scheduler: Pick<Scheduler, 'state' | 'failed' | 'ensure' | 'hasten'>
  readonly events: Pick<Events, 'emit'>
}

/**
 * Looks at every shard of a model from time to time, because jobs can be lost in many ways:
 *
 * - It schedules a job for a dirty shard or a parked record that has none. If it cannot, or if the job does not help, it flushes the shard
 *   itself, unless the queue is paused.
 * - It puts changes into the dirty index that a script which stopped half-way has left out.
 * - It takes failed jobs off the board whose shard or record is well again, so that the failed list shows what is wrong now.
 *
 * It trusts nothing that it reads from the queue. A failure of one step is reported, and does not keep it from the others.
 */
export class Sweeper implements Service {
  readonly #context: SweeperContext
  readonly #rescuer: Rescuer
  /** What was wrong with the queue at the last sweep. */
  #problem: string | undefined
  /** For each shard, where the next sweep goes on in the parked records. */
  readonly #parkedCursors = new Map<number, string>()
  /** For each shard, where the next sweep goes on to look for changes that are not in the index. */
  readonly #reindexCursors = new Map<number, { what: 'packed' | 'parked'; cursor: string }>()
  #timer: NodeJS.Timeout | undefined
  #sweep: Promise<void> | undefined
  #running = false

  constructor(context: SweeperContext) {
    this.#context = context
    this.#rescuer = new Rescuer(context)
  }

  async start(): Promise<void> {
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

  /**
   * Makes one sweep. Failures on the way are reported.
   * @throws when Redis does not tell its time
   */
  async sweep(): Promise<void> {
    const { shards, store, scheduler } = this.#context
    const times = await store.times()
    const failures: Failures = new Map()
    const queue = (await attempt(failures, this.#lookAtQueue())) ?? 'running'
    const nothing: FailedJobs = { jobs: [], more: true }
    const failed = queue === 'broken' ? nothing : ((await attempt(failures, scheduler.failed(MAX_FAILED))) ?? nothing)
    const stuck: number[] = []
    for (let shard = 0; shard < shards.count; shard++)
      if (await attempt(failures, this.#sweepShard(shard, times(shards.prefix(shard)), queue, failed, failures))) stuck.push(shard)
    await this.#sweepFailed(failed.jobs, times(shards.prefix(0)), failures)
    if (queue !== 'paused') await Promise.all(stuck.map((shard) => this.#rescuer.flush(shard)))
    for (const error of failures.values()) this.#context.events.emit('failure', { step: 'sweep', model: this.#context.model, error })
  }

  #next(): void {
    // With a jitter, so that the workers of a fleet do not sweep at the same time.
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

  /** Reports what is wrong with the queue, once. */
  async #lookAtQueue(): Promise<QueueState['queue']> {
    const { scheduler, model, events } = this.#context
    const { queue, problem } = await scheduler.state()
    if (problem !== undefined && problem !== this.#problem)
      events.emit('failure', { step: 'queue', model, error: new OwnError(`${model}: ${problem}`) })
    this.#problem = problem
    return queue
  }

  /** Whether the shard is stuck, and has to be flushed without a job. */
  async #sweepShard(shard: number, now: number, queue: QueueState['queue'], failed: FailedJobs, failures: Failures): Promise<boolean> {
    const { policy, shards, store, interval } = this.#context
    await attempt(failures, this.#reindex(shard))
    const { inFlight, firstDue = now, parked } = await store.status(shards.prefix(shard))
    const overdue = now - firstDue
    const isOverdue = overdue > interval
    const isBroken = queue === 'broken'
    const isScheduled = !isBroken && (!(inFlight || isOverdue) || (await attempt(failures, this.#wake(shard, isOverdue))) === true)
    if (parked > 0) await attempt(failures, this.#wakeParked(shard, queue, failed, failures))
    return isOverdue && (!isScheduled || overdue > policy.maxBackoff + PATIENCE * interval)
  }

  async #wake(shard: number, isOverdue: boolean): Promise<true> {
    const { model, policy, shards, store, scheduler } = this.#context
    // One job is enough with `jobs: 'record'`, too, because its flush takes all that is due in the shard.
    const key = policy.jobs === 'record' ? await store.firstDirty(shards.prefix(shard)) : undefined
    const data: FlushJobData = key === undefined ? { kind: 'shard', model, shard } : { kind: 'record', model, shard, key }
    await (isOverdue ? scheduler.hasten(data) : scheduler.ensure(data, 0))
    return true
  }

  async #wakeParked(shard: number, queue: QueueState['queue'], failed: FailedJobs, failures: Failures): Promise<void> {
    const { model, policy, shards, store, scheduler } = this.#context
    const listed = new Set(failed.jobs.map(({ data }) => (data.kind === 'parked' ? data.key : '')))
    const { entries, cursor } = await store.parkedPage(shards.prefix(shard), this.#parkedCursors.get(shard) ?? '0', MAX_PARKED)
    if (cursor === undefined) this.#parkedCursors.delete(shard)
    else this.#parkedCursors.set(shard, cursor)
    const keys = entries.map(({ key }) => key).filter((key) => !listed.has(key))
    // If BullMQ has not kept all failed jobs, the job of a record that is not listed may have failed just now.
    const delay = failed.more ? PARKED_PAUSE : 0
    const wake = async (key: string) => {
      await scheduler.ensure({ kind: 'parked', model, shard, key }, delay, Math.max(policy.maxBackoff, PARKED_PAUSE))
      return true
    }
    const stuck = queue === 'broken' ? keys : []
    for (let from = 0; queue !== 'broken' && from < keys.length; from += AT_ONCE) {
      const woken = keys.slice(from, from + AT_ONCE).map(async (key) => {
        if (!(await attempt(failures, wake(key)))) stuck.push(key)
      })
      await Promise.all(woken)
    }
    const deadly = new Set(entries.filter(isDeadly).map(({ key }) => key))
    const retried = stuck.filter((key) => !deadly.has(key))
    if (queue !== 'paused') await this.#rescuer.retry(shard, retried, PARKED_PAUSE)
  }

  /**
   * Puts changes into the dirty index that are not in it, because no flush would claim them. Looks at the packed and at the parked ones by
   * turns.
   */
  async #reindex(shard: number): Promise<void> {
    const { store, shards } = this.#context
    const { what, cursor } = this.#reindexCursors.get(shard) ?? { what: 'packed', cursor: '0' }
    const next = await store.reindex(shards.prefix(shard), what, cursor, MAX_REINDEXED)
    const other = what === 'packed' ? 'parked' : 'packed'
    this.#reindexCursors.set(shard, { what: next === '0' ? other : what, cursor: next })
  }

  async #sweepFailed(failed: readonly FailedJob[], now: number, failures: Failures): Promise<void> {
    const seen = new Set<string>()
    for (const failure of failed) {
      const data = JSON.stringify(failure.data)
      await attempt(failures, this.#settle(failure, seen.has(data), now))
      seen.add(data)
    }
  }

  /** Removes a failed job if all is well or if another failed job says the same. Starts the job of a parked record again after a pause. */
  async #settle({ job, data }: FailedJob, isRepeated: boolean, now: number): Promise<void> {
    if (isRepeated || (await this.#isWell(data, job.finishedOn))) await unlessGone(job.remove())
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

/** The failures of a sweep by their messages, so that one which many jobs have in common is reported once. */
type Failures = Map<string, Error>

/** Notes a failure of the task, and returns `undefined` then. */
async function attempt<T>(failures: Failures, task: Promise<T>): Promise<T | undefined> {
  try {
    return await task
  } catch (caught) {
    const error = withoutArguments(caught as Error)
    failures.set(error.message, error)
    return undefined
  }
}
