import { preparing } from '../database/outcome.js'
import { InvalidInputError, ParkedError, TimeoutError, TransactionBlockedError } from '../errors.js'
import type { Barrier, FlushableModel } from '../flush/barrier.js'
import { keyOfRow } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { Holds, Scope } from '../read/holds.js'
import type { Concern } from './surveyor.js'
import type { TransactionScope } from './transactions.js'

/** Ms that a flush may take. `cache.flush()` has the same default. */
const FLUSH_TIMEOUT = 30_000
/**
 * Ms that a flush within a transaction may take. The flush never ends if it waits for a row that the transaction has locked. So this is less than the
 * default timeout of Prisma's transactions.
 */
const FLUSH_TIMEOUT_IN_TRANSACTION = 2000

/** What the pass-through needs of a cached model. */
export interface PassThroughModel extends FlushableModel {
  readonly holds: Pick<Holds, 'hold' | 'during'>
}

type Query = () => Promise<unknown>

/**
 * Sends a call to the database. Before that, it flushes the records that the call concerns, because their pending changes are older than the call and
 * must not be applied after it. It holds the records that the call may change until the call has ended, so that none of their old cached rows is left
 * after it.
 */
export class PassThrough {
  readonly #barrier: Pick<Barrier, 'flush' | 'flushRecord'>
  /** The models by their names in the Prisma schema. */
  readonly #models: ReadonlyMap<string, PassThroughModel>

  constructor(barrier: Pick<Barrier, 'flush' | 'flushRecord'>, models: readonly PassThroughModel[]) {
    this.#barrier = barrier
    this.#models = new Map(models.map((each) => [each.model.name, each]))
  }

  /** @throws ParkedError when the database refuses an earlier write to a record that the call concerns. The call could not see that write */
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
    // If Redis fails here, the call has still succeeded. A cached "missing" expires by itself.
    const { model, holds } = this.#model(created)
    await holds.during(createdScope(model, result), async () => undefined).catch(() => undefined)
    return result
  }

  /**
   * Sends a call of a transaction to the database. Holds last until the transaction has ended. A record that the transaction concerns a second time is not
   * flushed again: the transaction has locked its row, so that later writes come after the transaction.
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

  /** Flushes all models before a transaction that keeps a snapshot. Parked records do not make it fail; they fail the calls that concern them. */
  async flushAll(): Promise<void> {
    await unlessParked(this.#barrier.flush([...this.#models.values()], performance.now() + FLUSH_TIMEOUT, ignore))
  }

  /** The same within a transaction. @throws TransactionBlockedError when the flush waits for the transaction */
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

  /** Takes the holds one after the other. Then it calls `next` with the held records that are dirty. */
  #hold(concerns: readonly Concern[], dirty: readonly Concern[], next: (dirty: readonly Concern[]) => Promise<unknown>): Promise<unknown> {
    const [concern, ...others] = concerns
    if (concern === undefined) return next(dirty)
    const scope = concern.scope as Scope
    return this.#model(concern).holds.during(scope, (hold) =>
      this.#hold(others, [...dirty, scope === 'all' ? concern : { ...concern, scope: hold.dirty }], next),
    )
  }

  /**
   * Flushes the models that the call only refers to, then the other models, then single records.
   * @param without names of models whose rows the transaction may have locked
   */
  async #flush(concerns: readonly Concern[], deadline: number, without: ReadonlySet<string> = new Set()): Promise<void> {
    const locked = [...without].map((name) => this.#models.get(name) as PassThroughModel)
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

  #model({ model }: Concern): PassThroughModel {
    return this.#models.get(model) as PassThroughModel
  }

  #modelsOf(concerns: readonly Concern[]): PassThroughModel[] {
    return [...new Set(concerns.map((concern) => this.#model(concern)))]
  }
}

/** A flush within a transaction that times out has waited for that transaction. */
function blockedBy(error: unknown, model: string): unknown {
  return error instanceof TimeoutError ? new TransactionBlockedError(model, error) : error
}

/** The call has inserted rows whose keys nobody knew before. Returns those of them that Redis may remember as missing. */
function createdScope(model: Model, row: unknown): Scope {
  try {
    const key = keyOfRow(model, row)
    if (key !== undefined) return [key]
  } catch (error) {
    // A fluent call, such as `create(…).author()`, returns a row of another model.
    if (error instanceof InvalidInputError) return 'all'
    throw error
  }
  // Nobody can have asked for a random key before. But somebody may have asked for a number.
  return model.fields.some(({ name, type }) => model.key.includes(name) && type !== 'String') ? 'all' : []
}

/** Ignores a ParkedError, because the call does not concern the parked records. */
async function unlessParked(flush: Promise<void>): Promise<void> {
  try {
    await flush
  } catch (error) {
    if (!(error instanceof ParkedError)) throw error
  }
}

function ignore(): void {}
