import { ParkedError, PersistError, TimeoutError, UnavailableError, WriteBehindError } from '../errors.js'
import type { Events } from '../events.js'
import { ancestorsOf, inTiers } from '../model/ancestors.js'
import { shardOf } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import { isReply, isTurnedAway, named } from '../redis/refusal.js'
import { isOwnFault } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'
import type { Owned } from '../write/own-records.js'
import type { Flusher } from './flusher.js'
import { parkedPages, retryTogether } from './parked-records.js'
import { isDeadly } from './quarantine.js'

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

const NONE: readonly BarrierPart[] = []

/**
 * Brings what was acknowledged so far into the database: everything, one model, or one record. It tries an outage again until its
 * deadline, and gives parked records another chance. Deadlines are of `performance.now()`.
 *
 * A row needs the rows that it refers to. So the models that they are of are flushed first, though nobody asked for it: what fails of
 * them is no failure of the flush, unless a row then lacks its parent, which shows in that row.
 */
export class Barrier {
  readonly #store: Store
  readonly #events: Events
  readonly #problem: () => unknown
  readonly #ready: () => Promise<void>
  #all: readonly BarrierPart[] = []

  /**
   * @param problem why Redis is not there, as far as it is known
   * @param ready resolves when the database is known to be the right one
   */
  constructor(store: Store, events: Events, problem: () => unknown, ready: () => Promise<void>) {
    this.#store = store
    this.#events = events
    this.#problem = problem
    this.#ready = ready
  }

  /** Nothing in Redis says little as long as nobody knows whether its writes are of this database. */
  async confirm(deadline: number): Promise<void> {
    await this.#untilUp(undefined, deadline, this.#ready)
  }

  /** Of what models parents can be. */
  serve(parts: readonly BarrierPart[]): void {
    this.#all = parts
  }

  /**
   * Flushes all that it can; then throws the first failure.
   * @param without parents that are left alone
   */
  async flush(parts: readonly BarrierPart[], deadline: number, count: Count, without = NONE): Promise<void> {
    const before = await this.#untilUp(undefined, deadline, () => this.#store.now())
    const tiers = inTiers(new Set([...parts, ...this.#parentsOf(parts, without)]))
    const failures = new Map<BarrierPart, unknown>()
    for (const tier of tiers)
      await eachPart(tier, failures, (part) =>
        allOf(range(part.shards.count).map((shard) => this.#flushShard(part, shard, before, deadline, count))),
      )
    await this.#retryParked(parts, tiers, failures, deadline, count)
    const own = parts.flatMap((part) => failures.get(part) ?? [])
    if (own.length > 0) throw own.find((failure) => !(failure instanceof ParkedError)) ?? own[0]
  }

  /** Flushes what was written by this process, and what others wrote to shards where it wrote too many records to name them. */
  async flushOwn(parts: readonly OwnPart[], deadline: number, count: Count): Promise<void> {
    const before = await this.#untilUp(undefined, deadline, () => this.#store.now())
    const flushing = parts.flatMap((part) =>
      [...(part.writer?.owned() ?? [])].map(([shard, owned]) =>
        owned === 'all' ? this.#flushShard(part, shard, before, deadline, count) : this.#flushRecords(part, shard, owned, deadline, count),
      ),
    )
    const failure = (await Promise.allSettled(flushing)).find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async flushRecord(part: BarrierPart, key: string, deadline: number, count: Count, without = NONE): Promise<void> {
    const shard = shardOf(key, part.shards.count)
    const prefix = part.shards.prefix(shard)
    if ((await this.#untilUp(part, deadline, () => this.#store.due(prefix, key))) === undefined) return
    if (!(await this.#isRefused(part, shard, key, deadline, count))) return
    const parents = this.#parentsOf([part], without)
    if (parents.length > 0) {
      await this.flush(parents, deadline, count, without).catch(() => undefined)
      if (!(await this.#isRefused(part, shard, key, deadline, count))) return
    }
    throw new ParkedError(part.model.name, [key])
  }

  #parentsOf(parts: readonly BarrierPart[], without: readonly BarrierPart[]): BarrierPart[] {
    const names = new Set(parts.flatMap(({ model }) => [...ancestorsOf(model.relations ?? {}, model.name)]))
    return this.#all.filter((part) => names.has(part.model.name) && !without.includes(part))
  }

  /**
   * Gives the parked records of the parts another chance, parents first. Where some are refused still, those of their parents get one, and
   * all of them again as long as some heal: these may be what the others wait for.
   */
  async #retryParked(
    parts: readonly BarrierPart[],
    tiers: readonly BarrierPart[][],
    failures: Map<BarrierPart, unknown>,
    deadline: number,
    count: Count,
  ): Promise<void> {
    for (let own = true, again = true; again; own = false) {
      const refused = new Map<BarrierPart, readonly string[]>()
      let healed = 0
      const retry = async (part: BarrierPart) => {
        const result = await this.#flushParked(part, deadline, count)
        if (result.refused.length > 0) refused.set(part, result.refused)
        healed += result.healed
      }
      for (const tier of tiers) {
        const some = own ? tier.filter((part) => parts.includes(part)) : tier
        await eachPart(some, failures, retry)
      }
      again = refused.size > 0 && (healed > 0 || (own && parts.length < tiers.flat().length))
      if (!again) for (const [part, keys] of refused) addFailure(failures, part, new ParkedError(part.model.name, keys))
    }
  }

  /** Together; then those that are refused one after the other, since each may wait for rows of its own. */
  async #flushRecords(part: BarrierPart, shard: number, keys: readonly string[], deadline: number, count: Count): Promise<void> {
    const deadly = await this.#parked(part, shard, deadline)
    const refused = new Set(keys.filter((key) => deadly.get(key)))
    const tried = keys.filter((key) => !deadly.get(key))
    for (const key of await this.#flushKeys(part, shard, tried, deadline, count)) {
      await this.flushRecord(part, key, deadline, count).catch((error: unknown) => {
        if (!(error instanceof ParkedError)) throw error
        refused.add(key)
      })
    }
    if (refused.size > 0) throw new ParkedError(part.model.name, [...refused])
  }

  /** @returns those that are refused */
  async #flushKeys(part: BarrierPart, shard: number, keys: readonly string[], deadline: number, count: Count): Promise<Iterable<string>> {
    const flush = async (some: readonly string[]) => {
      const report = await this.#untilUp(part, deadline, () => part.flusher.flush(shard, { keys: some }, undefined, deadline))
      count(report.records)
      return report
    }
    return (await retryTogether(flush, keys)).keys()
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

  async #flushParked(part: BarrierPart, deadline: number, count: Count): Promise<{ refused: string[]; healed: number }> {
    const shards = await Promise.all(range(part.shards.count).map((shard) => this.#retryShard(part, shard, deadline, count)))
    return { refused: shards.flatMap(({ refused }) => refused), healed: shards.reduce((total, { healed }) => total + healed, 0) }
  }

  /** `refused`: those that are still parked. */
  async #retryShard(part: BarrierPart, shard: number, deadline: number, count: Count): Promise<{ refused: string[]; healed: number }> {
    const before = await this.#parked(part, shard, deadline)
    if (before.size === 0) return { refused: [], healed: 0 }
    const tried = [...before].filter(([, isDeadly]) => !isDeadly).map(([key]) => key)
    await this.#flushKeys(part, shard, tried, deadline, count)
    // Another worker may have been the one that was told.
    const after = await this.#parked(part, shard, deadline)
    const refused = [...before.keys()].filter((key) => after.has(key))
    return { refused, healed: before.size - refused.length }
  }

  /** By key, whether the record is deadly. */
  #parked(part: BarrierPart, shard: number, deadline: number): Promise<Map<string, boolean>> {
    return this.#untilUp(part, deadline, async () => {
      const parked = new Map<string, boolean>()
      for await (const page of parkedPages(this.#store, part.shards.prefix(shard)))
        for (const entry of page) parked.set(entry.key, isDeadly(entry))
      return parked
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
        const error = this.#toError(model, cause)
        if (!isOutage(error, cause) || performance.now() + RETRY_PAUSE > deadline) throw error
        this.#events.emit('failure', { step: 'flush', model, error })
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      }
    }
  }

  #toError(model: string | undefined, cause: unknown): WriteBehindError {
    const problem = cause instanceof TimeoutError ? named(this.#problem()) : undefined
    if (problem instanceof Error) return new TimeoutError(`flush: the timeout passed; Redis is not available: ${problem.message}`, problem)
    return cause instanceof WriteBehindError ? cause : new UnavailableError(model, named(cause))
  }
}

/** What Redis turns a command away with, as without its replicas or with its disk full, is its outage; what it refuses for good is none. */
function isOutage(error: WriteBehindError, cause: unknown): boolean {
  if (error instanceof PersistError) return error.code === 'OUTAGE'
  return error instanceof UnavailableError && !isOwnFault(cause) && (!isReply(cause) || isTurnedAway(cause))
}

/** Runs a task for each part, and keeps the first failure of each. */
async function eachPart(
  parts: readonly BarrierPart[],
  failures: Map<BarrierPart, unknown>,
  task: (part: BarrierPart) => Promise<void>,
): Promise<void> {
  await Promise.all(parts.map((part) => task(part).catch((failure) => addFailure(failures, part, failure))))
}

function addFailure(failures: Map<BarrierPart, unknown>, part: BarrierPart, failure: unknown): void {
  if (!failures.has(part)) failures.set(part, failure)
}

/** Waits for all of them, whatever fails; then throws the first failure. */
async function allOf(tasks: readonly Promise<void>[]): Promise<void> {
  const failure = (await Promise.allSettled(tasks)).find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
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
