/** Flushes for callers that wait for the end: `cache.flush()`, `close()`, the extension and direct writes. */
import { ParkedError, TimeoutError } from '../errors.js'
import type { Events } from '../events.js'
import { ancestorsOf, inTiers } from '../model/ancestors.js'
import { shardOf } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import type { Store } from '../redis/store.js'
import type { Owned } from '../write/own-records.js'
import type { Flusher } from './flusher.js'
import { OutageRetry } from './outage-retry.js'
import { parkedPages, retryTogether } from './parked-records.js'
import { isDeadly } from './quarantine.js'

/** What the barrier needs of a cached model. */
export interface FlushableModel {
  readonly name: string
  readonly model: Model
  readonly shards: ShardNames
  readonly flusher: Pick<Flusher, 'flush'>
}

/** A cached model that knows which records this process has written. */
export interface WrittenModel extends FlushableModel {
  readonly writer: { owned(): ReadonlyMap<number, Owned> } | undefined
}

/** Is told how many records a flush has brought into the database. */
export type Count = (records: number) => void

const NONE: readonly FlushableModel[] = []

/**
 * Resolves when all writes that were acknowledged before the call are in the database: the writes of all models, of one model, or of one record. It
 * repeats its steps during an outage until the deadline, and retries parked records. Deadlines are by performance.now().
 *
 * A row can only be inserted after the rows that it refers to by foreign keys. So the models of those rows, the parents, are flushed first,
 * even if the call does not name them. A failure of a parent does not fail the call. If a row then lacks its parent, the database refuses
 * that row.
 */
export class Barrier {
  readonly #store: Pick<Store, 'times' | 'due' | 'isParked' | 'parkedPage'>
  readonly #retry: OutageRetry
  readonly #ready: () => Promise<void>
  #all: readonly FlushableModel[] = []

  /**
   * @param problem why Redis is not available, as far as it is known
   * @param ready resolves when the database is known to be the one that the namespace is bound to
   */
  constructor(store: Store, events: Pick<Events, 'emit'>, problem: () => unknown, ready: () => Promise<void>) {
    this.#store = store
    this.#retry = new OutageRetry(events, problem)
    this.#ready = ready
  }

  /**
   * Waits until the database is known to be the right one. Before that, an empty Redis does not tell that all writes are in the database.
   */
  async confirm(deadline: number): Promise<void> {
    await this.#retry.untilUp(undefined, deadline, this.#ready)
  }

  /** Takes all models of the cache, because each may be a parent of another. */
  serve(models: readonly FlushableModel[]): void {
    this.#all = models
  }

  /**
   * Flushes as much as it can, then throws the first failure.
   * @param without parents that are not flushed
   */
  async flush(models: readonly FlushableModel[], deadline: number, count: Count, without = NONE): Promise<void> {
    const times = await this.#retry.untilUp(undefined, deadline, () => this.#store.times())
    const tiers = inTiers(new Set([...models, ...this.#parentsOf(models, without)]))
    const failures = new Map<FlushableModel, unknown>()
    for (const tier of tiers)
      await eachModel(tier, failures, (cached) =>
        allOf(
          range(cached.shards.count).map((shard) => this.#flushShard(cached, shard, times(cached.shards.prefix(shard)), deadline, count)),
        ),
      )
    await this.#retryParked(models, tiers, failures, deadline, count)
    const own = models.flatMap((cached) => failures.get(cached) ?? [])
    if (own.length > 0) throw own.find((failure) => !(failure instanceof ParkedError)) ?? own[0]
  }

  /**
   * Flushes the records that this process has written. If it has written too many records of a shard to name them, the whole shard is flushed.
   */
  async flushOwn(models: readonly WrittenModel[], deadline: number, count: Count): Promise<void> {
    const times = await this.#retry.untilUp(undefined, deadline, () => this.#store.times())
    const flushing = models.flatMap((cached) =>
      [...(cached.writer?.owned() ?? [])].map(([shard, owned]) =>
        owned === 'all'
          ? this.#flushShard(cached, shard, times(cached.shards.prefix(shard)), deadline, count)
          : this.#flushRecords(cached, shard, owned, deadline, count),
      ),
    )
    await allOf(flushing)
  }

  /**
   * Flushes one record. If the database refuses it, its parents are flushed, and it is tried once more.
   * @param without parents that are not flushed
   */
  async flushRecord(cached: FlushableModel, key: string, deadline: number, count: Count, without = NONE): Promise<void> {
    const shard = shardOf(key, cached.shards.count)
    const prefix = cached.shards.prefix(shard)
    if ((await this.#retry.untilUp(cached.model.name, deadline, () => this.#store.due(prefix, key))) === undefined) return
    if (!(await this.#flushOne(cached, shard, key, deadline, count))) return
    const parents = this.#parentsOf([cached], without)
    if (parents.length > 0) {
      await this.flush(parents, deadline, count, without).catch(() => undefined)
      if (!(await this.#flushOne(cached, shard, key, deadline, count))) return
    }
    throw new ParkedError(cached.model.name, [key])
  }

  #parentsOf(models: readonly FlushableModel[], without: readonly FlushableModel[]): FlushableModel[] {
    const names = new Set(models.flatMap(({ model }) => [...ancestorsOf(model.relations ?? {}, model.name)]))
    return this.#all.filter((cached) => names.has(cached.model.name) && !without.includes(cached))
  }

  /**
   * Retries the parked records of the models, parents first. If some are still refused, it retries those of their parents, too. It repeats all this
   * as long as some records succeed, because others may wait for them.
   */
  async #retryParked(
    models: readonly FlushableModel[],
    tiers: readonly FlushableModel[][],
    failures: Map<FlushableModel, unknown>,
    deadline: number,
    count: Count,
  ): Promise<void> {
    for (let own = true, again = true; again; own = false) {
      const refused = new Map<FlushableModel, readonly string[]>()
      let healed = 0
      const flushParked = async (cached: FlushableModel) => {
        const result = await this.#flushParked(cached, deadline, count)
        if (result.refused.length > 0) refused.set(cached, result.refused)
        healed += result.healed
      }
      for (const tier of tiers) {
        const some = own ? tier.filter((cached) => models.includes(cached)) : tier
        await eachModel(some, failures, flushParked)
      }
      again = refused.size > 0 && (healed > 0 || (own && models.length < tiers.flat().length))
      if (!again) for (const [cached, keys] of refused) addFailure(failures, cached, new ParkedError(cached.model.name, keys))
    }
  }

  /** Flushes records together. Then it tries the refused ones one by one, because each may wait for other parents. */
  async #flushRecords(cached: FlushableModel, shard: number, keys: readonly string[], deadline: number, count: Count): Promise<void> {
    const deadly = await this.#parked(cached, shard, deadline)
    const refused = new Set(keys.filter((key) => deadly.get(key)))
    const retried = keys.filter((key) => !deadly.get(key))
    for (const key of await this.#flushKeys(cached, shard, retried, deadline, count)) {
      await this.flushRecord(cached, key, deadline, count).catch((error: unknown) => {
        if (!(error instanceof ParkedError)) throw error
        refused.add(key)
      })
    }
    if (refused.size > 0) throw new ParkedError(cached.model.name, [...refused])
  }

  /** @returns the keys that are refused */
  async #flushKeys(
    cached: FlushableModel,
    shard: number,
    keys: readonly string[],
    deadline: number,
    count: Count,
  ): Promise<Iterable<string>> {
    const flush = async (some: readonly string[]) => {
      const report = await this.#retry.untilUp(cached.model.name, deadline, () =>
        cached.flusher.flush(shard, { keys: some }, undefined, deadline),
      )
      count(report.records)
      return report
    }
    return (await retryTogether(flush, keys)).keys()
  }

  async #flushShard(cached: FlushableModel, shard: number, before: number, deadline: number, count: Count): Promise<void> {
    await this.#retry.untilUp(cached.model.name, deadline, async () => {
      // A record that the database refuses here is reported later, when the parked records are retried.
      for (let complete = false; !complete; ) {
        if (performance.now() > deadline)
          throw new TimeoutError(`flush: the timeout passed before ${cached.model.name} was flushed; its records stay dirty in Redis`)
        const report = await cached.flusher.flush(shard, { before }, 1, deadline)
        count(report.records)
        complete = report.complete
      }
    })
  }

  async #flushParked(cached: FlushableModel, deadline: number, count: Count): Promise<{ refused: string[]; healed: number }> {
    const shards = await Promise.all(range(cached.shards.count).map((shard) => this.#retryShard(cached, shard, deadline, count)))
    return { refused: shards.flatMap(({ refused }) => refused), healed: shards.reduce((total, { healed }) => total + healed, 0) }
  }

  /** @returns the keys that are still parked, and the number of records that are not parked any more */
  async #retryShard(cached: FlushableModel, shard: number, deadline: number, count: Count): Promise<{ refused: string[]; healed: number }> {
    const before = await this.#parked(cached, shard, deadline)
    if (before.size === 0) return { refused: [], healed: 0 }
    const retried = [...before].filter(([, isDeadly]) => !isDeadly).map(([key]) => key)
    await this.#flushKeys(cached, shard, retried, deadline, count)
    // Redis is asked again, because another worker may have parked or unparked some of them.
    const after = await this.#parked(cached, shard, deadline)
    const refused = [...before.keys()].filter((key) => after.has(key))
    return { refused, healed: before.size - refused.length }
  }

  /** The parked records of a shard by their keys, each with whether it is deadly. */
  #parked(cached: FlushableModel, shard: number, deadline: number): Promise<Map<string, boolean>> {
    return this.#retry.untilUp(cached.model.name, deadline, async () => {
      const parked = new Map<string, boolean>()
      for await (const page of parkedPages(this.#store, cached.shards.prefix(shard)))
        for (const entry of page) parked.set(entry.key, isDeadly(entry))
      return parked
    })
  }

  /** @returns whether the database refuses the record */
  async #flushOne(cached: FlushableModel, shard: number, key: string, deadline: number, count: Count): Promise<boolean> {
    const report = await this.#retry.untilUp(cached.model.name, deadline, () => cached.flusher.flush(shard, { key }, undefined, deadline))
    count(report.records)
    // Redis is asked, because another worker may have parked the record.
    return this.#retry.untilUp(cached.model.name, deadline, () => this.#store.isParked(cached.shards.prefix(shard), key))
  }
}

/** Runs a task for each model, and keeps the first failure of each. */
async function eachModel(
  models: readonly FlushableModel[],
  failures: Map<FlushableModel, unknown>,
  task: (cached: FlushableModel) => Promise<void>,
): Promise<void> {
  await Promise.all(models.map((cached) => task(cached).catch((failure) => addFailure(failures, cached, failure))))
}

function addFailure(failures: Map<FlushableModel, unknown>, cached: FlushableModel, failure: unknown): void {
  if (!failures.has(cached)) failures.set(cached, failure)
}

/** Waits until all tasks have ended, then throws the first failure. */
async function allOf(tasks: readonly Promise<void>[]): Promise<void> {
  const failure = (await Promise.allSettled(tasks)).find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
