import { ParkedError, PersistError, TimeoutError, UnavailableError } from '../errors.js'
import type { Events } from '../events.js'
import type { ShardNames } from '../redis/keys.js'
import { isTurnedAway, withoutArguments } from '../redis/link.js'
import type { Owned } from '../redis/own-records.js'
import type { Store } from '../redis/store.js'
import { shardOf } from '../schema/key.js'
import type { Model } from '../schema/model.js'
import type { Flusher } from './flusher.js'

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

/** What it needs to know whose the records are. */
export interface OwnPart extends BarrierPart {
  readonly writer: { owned(): ReadonlyMap<number, Owned> } | undefined
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

  /** Flushes what was written by this process, and what others wrote to shards where it wrote too many records to name them. */
  async flushOwn(parts: readonly OwnPart[], deadline: number, count: Count): Promise<void> {
    const before = await this.#untilUp(undefined, deadline, () => this.#store.now())
    const flushing = parts.flatMap((part) =>
      [...(part.writer?.owned() ?? [])].map(([shard, owned]) =>
        owned === 'all' ? this.#flushShard(part, shard, before, deadline, count) : this.#flushRecords(part, owned, deadline, count),
      ),
    )
    const failure = (await Promise.allSettled(flushing)).find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async flushRecord(part: BarrierPart, key: string, deadline: number, count: Count): Promise<void> {
    const shard = shardOf(key, part.shards.count)
    const prefix = part.shards.prefix(shard)
    if ((await this.#untilUp(part, deadline, () => this.#store.due(prefix, key))) === undefined) return
    if (await this.#isRefused(part, shard, key, deadline, count)) throw new ParkedError(part.model.name, [key])
  }

  /** One after the other, as their shard takes them. A refused one is its own failure, and not the others'. */
  async #flushRecords(part: BarrierPart, keys: readonly string[], deadline: number, count: Count): Promise<void> {
    let refused: ParkedError | undefined
    for (const key of keys) {
      await this.flushRecord(part, key, deadline, count).catch((error: unknown) => {
        if (!(error instanceof ParkedError)) throw error
        refused = error
      })
    }
    if (refused !== undefined) throw refused
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
    const refused: string[] = []
    for (const shard of range(part.shards.count)) {
      for (const { key } of await this.#untilUp(part, deadline, () => this.#store.parked(part.shards.prefix(shard))))
        if (await this.#isRefused(part, shard, key, deadline, count)) refused.push(key)
    }
    if (refused.length > 0) throw new ParkedError(part.model.name, refused)
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
