import { preparing } from '../database/failure.js'
import { InvalidInputError, ParkedError, TimeoutError, TransactionBlockedError } from '../errors.js'
import type { Barrier, BarrierPart } from '../flush/barrier.js'
import { keyOfRow } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { Holds, Scope } from '../read/holds.js'
import type { Concern } from './surveyor.js'
import type { TransactionScope } from './transactions.js'

/** As long as an explicit flush takes, ms. */
const FLUSH_TIMEOUT = 30_000
/** Less than Prisma's transactions take by default, ms: a flush that waits for a row which the transaction has locked does not end. */
const FLUSH_TIMEOUT_IN_TRANSACTION = 2000

/** What the passage needs of a cached model. */
export interface PassageModel extends BarrierPart {
  readonly holds: Pick<Holds, 'hold' | 'during'>
}

type Query = () => Promise<unknown>

/**
 * The way of a call into the database. What it is about is flushed first: pending changes are older than the call, and must not be
 * applied after it. What it may change is held meanwhile, so that no view of it outlives the call.
 */
export class Passage {
  readonly #barrier: Pick<Barrier, 'flush' | 'flushRecord'>
  /** By their names in the Prisma schema. */
  readonly #models: ReadonlyMap<string, PassageModel>

  constructor(barrier: Pick<Barrier, 'flush' | 'flushRecord'>, models: readonly PassageModel[]) {
    this.#barrier = barrier
    this.#models = new Map(models.map((each) => [each.model.name, each]))
  }

  /** @throws ParkedError when the database refuses what was written before to what the call is about, so that it can be neither read nor written there */
  async pass(concerns: readonly Concern[], query: Query): Promise<unknown> {
    const deadline = performance.now() + FLUSH_TIMEOUT
    const created = concerns.find(({ scope }) => scope === 'returned')
    const held = concerns.filter(({ scope, changes }) => changes && scope !== 'returned')
    const read = concerns.filter(({ changes }) => !changes)
    const result = await this.#hold(held, [], async (dirty) => {
      await preparing(this.#flush([...read, ...dirty], deadline))
      return query()
    })
    if (created === undefined) return result
    // The row is there, whatever Redis says: a view that calls it missing ends by itself.
    const { model, holds } = this.#model(created)
    await holds.during(createdScope(model, result), async () => undefined).catch(() => undefined)
    return result
  }

  /**
   * Holds last until the transaction has ended. What the transaction concerns again is not flushed again: what was written to it since
   * comes after the transaction, which has locked the row.
   * @throws TransactionBlockedError when a flush waits for the transaction
   */
  async passInTransaction(concerns: readonly Concern[], transaction: TransactionScope, query: Query): Promise<unknown> {
    for (const concern of concerns) await transaction.enter(concern, (fresh) => this.#enter(fresh, transaction))
    const result = await query()
    const created = concerns.find(({ scope }) => scope === 'returned')
    if (created === undefined) return result
    const { model, holds } = this.#model(created)
    const scope = createdScope(model, result)
    if (scope.length > 0) await transaction.enter({ model: model.name, scope, changes: true }, () => holds.hold(scope))
    return result
  }

  /** Flushes everything, for a transaction that will see nothing of what is flushed later. What is parked fails the calls that are about it. */
  async flushAll(): Promise<void> {
    await unlessParked(this.#barrier.flush([...this.#models.values()], performance.now() + FLUSH_TIMEOUT, ignore))
  }

  /** The same within the transaction. @throws TransactionBlockedError when the flush waits for the transaction */
  async flushAllWithin(model: string): Promise<void> {
    const flushed = unlessParked(this.#barrier.flush([...this.#models.values()], performance.now() + FLUSH_TIMEOUT_IN_TRANSACTION, ignore))
    await flushed.catch((error) => {
      throw blockedBy(error, model)
    })
  }

  async #enter(concern: Concern, transaction: TransactionScope) {
    const { scope, changes } = concern
    const without = transaction.changed
    const hold = changes ? await this.#model(concern).holds.hold(scope as Scope) : undefined
    const deadline = performance.now() + FLUSH_TIMEOUT_IN_TRANSACTION
    const fresh = hold === undefined || scope === 'all' ? concern : { ...concern, scope: hold.dirty }
    try {
      await this.#flush([fresh], deadline, without)
    } catch (error) {
      await hold?.release()
      throw blockedBy(error, concern.model)
    }
    return hold
  }

  /** Holds one after the other, then goes on with those of the records that are dirty. */
  #hold(concerns: readonly Concern[], dirty: readonly Concern[], next: (dirty: readonly Concern[]) => Promise<unknown>): Promise<unknown> {
    const [concern, ...others] = concerns
    if (concern === undefined) return next(dirty)
    const scope = concern.scope as Scope
    return this.#model(concern).holds.during(scope, (hold) =>
      this.#hold(others, [...dirty, scope === 'all' ? concern : { ...concern, scope: hold.dirty }], next),
    )
  }

  /**
   * What the call is only to refer to comes first, then whole models, then single records.
   * @param without models whose rows the transaction may have locked
   */
  async #flush(concerns: readonly Concern[], deadline: number, without: ReadonlySet<string> = new Set()): Promise<void> {
    const locked = [...without].map((name) => this.#models.get(name) as PassageModel)
    const [whole, single] = [concerns.filter(({ scope }) => scope === 'all'), concerns.filter(({ scope }) => typeof scope !== 'string')]
    const [referred, own] = [whole.filter((each) => each.referred), whole.filter((each) => !each.referred)]
    if (referred.length > 0) await unlessParked(this.#barrier.flush(this.#modelsOf(referred), deadline, ignore, locked))
    if (own.length > 0) await this.#barrier.flush(this.#modelsOf(own), deadline, ignore, locked)
    for (const concern of single) {
      for (const key of concern.scope) {
        const flushed = this.#barrier.flushRecord(this.#model(concern), key, deadline, ignore, locked)
        await (concern.referred ? unlessParked(flushed) : flushed)
      }
    }
  }

  #model({ model }: Concern): PassageModel {
    return this.#models.get(model) as PassageModel
  }

  #modelsOf(concerns: readonly Concern[]): PassageModel[] {
    return [...new Set(concerns.map((concern) => this.#model(concern)))]
  }
}

/** A flush that gets nowhere waits for the transaction that it is made in. */
function blockedBy(error: unknown, model: string): unknown {
  return error instanceof TimeoutError ? new TransactionBlockedError(model, error) : error
}

/** A row has been inserted whose key nobody knew: the records of which a view may say that they are missing. */
function createdScope(model: Model, row: unknown): Scope {
  try {
    const key = keyOfRow(model, row)
    if (key !== undefined) return [key]
  } catch (error) {
    // With a fluent call, as `create(…).author()`, it is a row of another model.
    if (error instanceof InvalidInputError) return 'all'
    throw error
  }
  // Nobody has asked for a key made at random; numbers can be guessed.
  return model.fields.some(({ name, type }) => model.key.includes(name) && type !== 'String') ? 'all' : []
}

/** Records that the database refuses are no reason to refuse a call that is not about them. */
async function unlessParked(flush: Promise<void>): Promise<void> {
  try {
    await flush
  } catch (error) {
    if (!(error instanceof ParkedError)) throw error
  }
}

function ignore(): void {}
