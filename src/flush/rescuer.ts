import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import type { ShardNames } from '../redis/keys.js'
import type { Store } from '../redis/store.js'
import type { Flusher } from './flusher.js'
import { MAX_BATCHES_IN_A_JOB } from './job.js'
import { backoffDelay } from './scheduler.js'

/** Parked records tried again in one go, a shard. */
const MAX_RETRIED = 100

export interface RescuerContext {
  readonly model: string
  readonly policy: ResolvedPolicy
  readonly shards: ShardNames
  readonly store: Store
  readonly flusher: Flusher
  readonly events: Events
}

/** Tries that failed, one after the other. By performance.now(). */
interface Failures {
  readonly count: number
  readonly until: number
}

/** Flushes past the queue, where no job comes: whatever is done to a queue, it holds no data. Failures are reported, and pause the shard as they would a job. */
export class Rescuer {
  readonly #context: RescuerContext
  readonly #failures = new Map<number, Failures>()
  /** When the parked records of a shard were tried last. */
  readonly #retried = new Map<number, number>()

  constructor(context: RescuerContext) {
    this.#context = context
  }

  /** All of the shard that is due, up to what a job does. */
  async flush(shard: number): Promise<void> {
    const { store, flusher, shards } = this.#context
    await this.#try(shard, async () => {
      await flusher.flush(shard, { due: await store.now(shards.prefix(shard)) }, MAX_BATCHES_IN_A_JOB)
    })
  }

  /** Parked records, after a pause. */
  async retry(shard: number, keys: readonly string[], pause: number): Promise<void> {
    const last = this.#retried.get(shard)
    if (keys.length === 0 || (last !== undefined && performance.now() < last + pause)) return
    this.#retried.set(shard, performance.now())
    await this.#try(shard, async () => {
      for (const key of keys.slice(0, MAX_RETRIED)) await this.#context.flusher.flush(shard, { key })
    })
  }

  async #try(shard: number, task: () => Promise<void>): Promise<void> {
    const { policy, model, events } = this.#context
    const { count, until } = this.#failures.get(shard) ?? { count: 0, until: 0 }
    if (performance.now() < until) return
    try {
      await task()
      this.#failures.delete(shard)
    } catch (error) {
      this.#failures.set(shard, { count: count + 1, until: performance.now() + backoffDelay(policy, count + 1) })
      events.emit('failure', { step: 'flush', model, error: error as Error })
    }
  }
}
