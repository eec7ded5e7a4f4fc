/** Flushes shards and records without the queue, if no job comes for them. */
import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import type { ShardNames } from '../redis/keys.js'
import type { Store } from '../redis/store.js'
import type { Flusher } from './flusher.js'
import { MAX_BATCHES_IN_A_JOB } from './job.js'
import { backoffDelay } from './scheduler.js'

/** The highest number of parked records of a shard that are retried together. */
const MAX_RETRIED = 100

export interface RescuerContext {
  readonly model: string
  readonly policy: Pick<ResolvedPolicy, 'backoff' | 'maxBackoff'>
  readonly shards: Pick<ShardNames, 'prefix'>
  readonly store: Pick<Store, 'now'>
  readonly flusher: Pick<Flusher, 'flush'>
  readonly events: Pick<Events, 'emit'>
}

/** The number of attempts for a shard that have failed in a row. */
interface Failures {
  readonly count: number
  /** When the shard may be tried again, by performance.now(). */
  readonly until: number
}

/**
 * Flushes a shard without a job. It can do so whatever has happened to the queue, because jobs hold no data. A failure is reported, and
 * pauses the shard for as long as it would pause a job.
 */
export class Rescuer {
  readonly #context: RescuerContext
  readonly #failures = new Map<number, Failures>()
  /** When the parked records of a shard were retried last, by performance.now(). */
  readonly #retried = new Map<number, number>()

  constructor(context: RescuerContext) {
    this.#context = context
  }

  /** Flushes what is due in the shard, as many batches as a job would. */
  async flush(shard: number): Promise<void> {
    const { store, flusher, shards } = this.#context
    await this.#try(shard, async () => {
      await flusher.flush(shard, { due: await store.now(shards.prefix(shard)) }, MAX_BATCHES_IN_A_JOB)
    })
  }

  /**
   * Retries parked records.
   * @param pause ms between two retries of a shard
   */
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
