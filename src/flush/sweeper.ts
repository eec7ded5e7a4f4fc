import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import type { ShardNames } from '../redis/keys.js'
import type { Store } from '../redis/store.js'
import { type FailedJobs, type FlushJob, type FlushJobData, type Scheduler, unlessGone } from './scheduler.js'

/** Failed jobs looked at in one sweep. */
const MOST_FAILED = 1000
/** Parked records of a shard looked at in one sweep: where there are more, one that came through brings along the others. */
const PARKED_IN_A_SWEEP = 100
/** A parked record whose job has used up its attempts gets another one after this long, ms. */
const PARKED_PAUSE = 300_000

export interface SweeperContext {
  readonly model: string
  readonly policy: ResolvedPolicy
  /** Ms between two sweeps. */
  readonly interval: number
  readonly shards: ShardNames
  readonly store: Store
  readonly scheduler: Scheduler
  readonly events: Events
}

/**
 * Finds dirty shards and parked records that no job will come for, whatever became of their jobs, and sets an alarm. Takes failed jobs
 * off the board whose shard or record is well again, so that the failed list is the list of what is wrong now.
 */
export class Sweeper {
  readonly #context: SweeperContext
  /** Where the last sweep has stopped in the parked records of a shard. */
  readonly #cursors = new Map<number, string>()
  #timer: NodeJS.Timeout | undefined
  #sweep: Promise<void> | undefined
  #running = false

  constructor(context: SweeperContext) {
    this.#context = context
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

  /** One sweep; errors are thrown. */
  async sweep(): Promise<void> {
    const { shards, store, scheduler } = this.#context
    const now = await store.now()
    const failed = await scheduler.failed(MOST_FAILED)
    for (let shard = 0; shard < shards.count; shard++) await this.#sweepShard(shard, now, failed)
    await this.#sweepFailed(failed.jobs, now)
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

  async #sweepShard(shard: number, now: number, failed: FailedJobs): Promise<void> {
    const { model, policy, shards, store, scheduler, interval } = this.#context
    const prefix = shards.prefix(shard)
    const { inFlight, firstDue, parked } = await store.status(prefix)
    const isOverdue = firstDue !== undefined && firstDue < now - interval
    if (inFlight || isOverdue) {
      // One alarm serves a shard in both modes: a flush takes all that is due.
      const key = policy.jobs === 'record' ? await store.firstDirty(prefix) : undefined
      const alarm: FlushJobData = key === undefined ? { kind: 'shard', model, shard } : { kind: 'record', model, shard, key }
      await (isOverdue ? scheduler.hasten(alarm) : scheduler.ensure(alarm, 0))
    }
    if (parked === 0) return
    const listed = new Set(failed.jobs.map(({ data }) => (data.kind === 'parked' ? data.key : '')))
    // Where more are parked than are listed, one that is not may have failed just now.
    const delay = failed.more ? PARKED_PAUSE : 0
    const { entries, cursor } = await store.parkedPage(prefix, this.#cursors.get(shard) ?? '0', PARKED_IN_A_SWEEP)
    if (cursor === undefined) this.#cursors.delete(shard)
    else this.#cursors.set(shard, cursor)
    for (const { key } of entries) if (!listed.has(key)) await scheduler.ensure({ kind: 'parked', model, shard, key }, delay)
  }

  async #sweepFailed(failed: readonly FlushJob[], now: number): Promise<void> {
    const seen = new Set<string>()
    for (const job of failed) {
      const what = JSON.stringify(job.data)
      if (seen.has(what) || (await this.#isWell(job))) await unlessGone(job.remove())
      else if (job.data.kind === 'parked' && (job.finishedOn ?? 0) < now - PARKED_PAUSE) await unlessGone(job.retry('failed'))
      seen.add(what)
    }
  }

  /** Whether all that was due when the job failed is in the database. */
  async #isWell({ data, finishedOn = Number.POSITIVE_INFINITY }: FlushJob): Promise<boolean> {
    const { shards, store } = this.#context
    const prefix = shards.prefix(data.shard)
    if (data.kind === 'parked') return !(await store.isParked(prefix, data.key))
    const due = data.kind === 'record' ? await store.due(prefix, data.key) : (await store.status(prefix)).firstDue
    return due === undefined || (due > finishedOn && due !== Number.POSITIVE_INFINITY)
  }
}
