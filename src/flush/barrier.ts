import { ParkedError, PersistError, TimeoutError, UnavailableError } from '../errors.js'
import type { Events } from '../events.js'
import type { ShardNames } from '../redis/keys.js'
import { isTurnedAway, withoutArguments } from '../redis/link.js'
import type { ParkedEntry } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import { shardOf } from '../schema/key.js'
import type { Model } from '../schema/model.js'
import type { Flusher } from './flusher.js'
import { isDeadly } from './quarantine.js'
import { parkedKeys, retryTogether } from './retry.js'

const RETRY_PAUSE = 100
/** Ms; a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/** What the barrier needs of a model. */
export interface BarrierPart {
  readonly name: string
  readonly model: Model
  readonly shards: ShardNames
  readonly flusher: Flusher
}

/** Told how many records a flush brought into the database. */
export type Count = (records: number) => void

/**
 * Brings what was acknowledged so far into the database: everything, one model, or one record. It tries an outage again until its
 * deadline, and gives parked records another chance. Deadlines are of `performance.now()`.
 */
export class Barrier {
  readonly #store: Store
  readonly #events: Events

  constructor(store: Store, events: Events) {
    this.#store = store
    this.#events = events
  }

  /** Flushes all that it can; then throws the first failure. */
  async flush(parts: readonly BarrierPart[], deadline: number, count: Count): Promise<void> {
    const before = await this.#untilUp(undefined, deadline, () => this.#store.now())
    const shards = parts.flatMap((part) => range(part.shards.count).map((shard) => this.#flushShard(part, shard, before, deadline, count)))
    const flushed = await Promise.allSettled(shards)
    const parked = await Promise.allSettled(parts.map((part) => this.#flushParked(part, deadline, count)))
    const failure = [...flushed, ...parked].find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async flushRecord(part: BarrierPart, key: string, deadline: number, count: Count): Promise<void> {
    const shard = shardOf(key, part.shards.count)
    const prefix = part.shards.prefix(shard)
    if ((await this.#untilUp(part, deadline, () => this.#store.due(prefix, key))) === undefined) return
    if (await this.#isRefused(part, shard, key, deadline, count)) throw new ParkedError(part.model.name, [key])
  }

  async #flushShard(part: BarrierPart, shard: number, before: number, deadline: number, count: Count): Promise<void> {
    await this.#untilUp(part, deadline, async () => {
      // A record that is refused on the way is reported by flushParked.
      for (let complete = false; !complete; ) {
        if (performance.now() > deadline) throw new TimeoutError(`flush: ${part.name} was not flushed within the timeout`)
        const report = await part.flusher.flush(shard, { before }, 1, deadline)
        count(report.records)
        complete = report.complete
      }
    })
  }

  async #flushParked(part: BarrierPart, deadline: number, count: Count): Promise<void> {
    const shards = await Promise.all(range(part.shards.count).map((shard) => this.#retryParked(part, shard, deadline, count)))
    const refused = shards.flat()
    if (refused.length > 0) throw new ParkedError(part.model.name, refused)
  }

  /** @returns those that are still parked */
  async #retryParked(part: BarrierPart, shard: number, deadline: number, count: Count): Promise<string[]> {
    const before = await this.#parkedKeys(part, shard, deadline, () => true)
    if (before.length === 0) return []
    const flush = async (keys: readonly string[]) => {
      const report = await this.#untilUp(part, deadline, () => part.flusher.flush(shard, { keys }, undefined, deadline))
      count(report.records)
      return report
    }
    await retryTogether(flush, await this.#parkedKeys(part, shard, deadline, (entry) => !isDeadly(entry)))
    // Another worker may have been the one that was told.
    const after = new Set(await this.#parkedKeys(part, shard, deadline, () => true))
    return before.filter((key) => after.has(key))
  }

  #parkedKeys(part: BarrierPart, shard: number, deadline: number, isWanted: (entry: ParkedEntry) => boolean): Promise<string[]> {
    return this.#untilUp(part, deadline, async () => {
      const keys = new Set<string>()
      for await (const page of parkedKeys(this.#store, part.shards.prefix(shard), isWanted, Number.POSITIVE_INFINITY))
        for (const key of page) keys.add(key)
      return [...keys]
    })
  }

  /** Flushes a record. */
  async #isRefused(part: BarrierPart, shard: number, key: string, deadline: number, count: Count): Promise<boolean> {
    const report = await this.#untilUp(part, deadline, () => part.flusher.flush(shard, { key }, undefined, deadline))
    count(report.records)
    // Another worker may have been the one that was told.
    return this.#untilUp(part, deadline, () => this.#store.isParked(part.shards.prefix(shard), key))
  }

  /** @param part that the task is about; `undefined`: all of them */
  async #untilUp<T>(part: BarrierPart | undefined, deadline: number, task: () => Promise<T>): Promise<T> {
    const model = part?.model.name
    for (;;) {
      try {
        return await within(deadline, task())
      } catch (cause) {
        // What Redis turns a command away with, as without its replicas or with its disk full, is its outage.
        const error = isTurnedAway(cause) ? new UnavailableError(model, withoutArguments(cause)) : (cause as Error)
        const isOutage = error instanceof UnavailableError || (error instanceof PersistError && error.code === 'OUTAGE')
        if (!isOutage || performance.now() + RETRY_PAUSE > deadline) throw error
        this.#events.emit('failure', { step: 'flush', model, error })
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      }
    }
  }
}

/** @throws TimeoutError when the deadline passes before the task ends; a deadline further away than timers reach is none */
export function within<T>(deadline: number, task: Promise<T>): Promise<T> {
  const left = deadline - performance.now()
  if (left > LONGEST_TIMER) return task
  let timer: NodeJS.Timeout
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError('the timeout passed')), Math.max(0, left))
  })
  return Promise.race([task, timeout]).finally(() => clearTimeout(timer))
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
