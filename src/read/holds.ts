import { randomUUID } from 'node:crypto'
import { type Failure, isUndecided } from '../database/outcome.js'
import type { Events } from '../events.js'
import { shardOf } from '../model/key.js'
import type { ShardNames } from '../redis/keys.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'

/** Keys in one call: it bounds how long one script holds Redis up. */
const MAX_IN_A_CALL = 500

/** Keys of records of the model, or all of them. */
export type Scope = readonly string[] | 'all'

export interface Hold {
  /** Those of the keys that had changes which are not in the database; for a scope of keys. */
  readonly dirty: readonly string[]
  /** Drops the views again. Never throws: without Redis it emits a `failure`, and the hold expires by itself. */
  release(): Promise<void>
  /**
   * In place of a release, when the statement failed. If the statement may have been carried out, or may be yet, this drops the views and lets the
   * hold expire by itself. Never throws.
   */
  fail(error: unknown): Promise<void>
}

export interface HoldsContext {
  readonly model: string
  readonly shards: ShardNames
  readonly store: Store
  readonly connection: RetryingConnection
  readonly events: Events
  /** When a hold expires whose holder has died, ms. Longer than a statement takes. */
  readonly ttl: number
  /** Tells what a failure of the database means. */
  classify(error: unknown): Failure
  /** Makes the views of records anew after a release; left out: the next read does. */
  readonly load?: ((keys: readonly string[]) => Promise<void>) | undefined
}

/** Part of a scope that one call takes; `keys` of a whole shard are none. */
interface Piece {
  readonly prefix: string
  readonly keys: readonly string[]
}

/**
 * Statements that change rows outside of write-behind run between a hold and its release. At both ends the views of these rows are dropped,
 * and between them Redis gives no lease: reads answer from the database, and store nothing. So a view is only ever made of a row that was
 * read when no hold was open, and that none was opened for since; whoever writes, however many, and wherever one of them is paused.
 *
 * A hold that is never released expires. Whatever its statement did until then, the next lease is given after it. Only a statement that
 * is committed after the expiry, of a holder that dies before its release, leaves a view of the row as it
 * was before, until that view's TTL.
 */
export class Holds {
  readonly #context: HoldsContext

  constructor(context: HoldsContext) {
    this.#context = context
  }

  /**
   * @returns when no view of the scope can be made any more
   * @throws UnavailableError the statement must not run then: others might keep views of the rows before it
   */
  async hold(scope: Scope): Promise<Hold> {
    const { store, ttl } = this.#context
    const id = randomUUID()
    const pieces = this.#pieces(scope)
    const dirty = await this.#each(pieces, ({ prefix, keys }) => store.hold(prefix, id, ttl, keys))
    const release = () => this.#end(() => this.#release(id, scope, pieces))
    const prolong = () => this.#end(() => this.#each(pieces, ({ prefix, keys }) => store.hold(prefix, id, ttl, keys)))
    return { dirty: dirty.flat(), release, fail: (error) => (isUndecided(error, this.#context.classify) ? prolong() : release()) }
  }

  /**
   * Runs a statement under a hold, which is prolonged if nobody can say whether the statement was carried out.
   * @throws UnavailableError before the statement; else what the statement throws
   */
  async during<T>(scope: Scope, statement: (hold: Hold) => Promise<T>): Promise<T> {
    const hold = await this.hold(scope)
    try {
      const result = await statement(hold)
      await hold.release()
      return result
    } catch (error) {
      await hold.fail(error)
      throw error
    }
  }

  /**
   * Drops views; loads that are under way store none.
   * @throws UnavailableError
   */
  async invalidate(keys: readonly string[]): Promise<void> {
    await this.#each(this.#pieces(keys), (piece) => this.#context.store.invalidate(piece.prefix, piece.keys))
  }

  async #release(id: string, scope: Scope, pieces: readonly Piece[]): Promise<void> {
    const { store, load } = this.#context
    await this.#each(pieces, ({ prefix, keys }) => store.release(prefix, id, keys))
    if (scope !== 'all') await load?.(scope)
  }

  async #end(task: () => Promise<unknown>): Promise<void> {
    try {
      await task()
    } catch (error) {
      this.#context.events.emit('failure', { step: 'release', model: this.#context.model, error: error as Error })
    }
  }

  #each<T>(pieces: readonly Piece[], send: (piece: Piece) => Promise<T>): Promise<T[]> {
    const { connection, model } = this.#context
    return Promise.all(pieces.map((piece) => connection.ask(model, () => send(piece))))
  }

  #pieces(scope: Scope): Piece[] {
    const { shards } = this.#context
    if (scope === 'all') return Array.from({ length: shards.count }, (_, shard) => ({ prefix: shards.prefix(shard), keys: [] }))
    const byShard = new Map<number, string[]>()
    for (const key of new Set(scope)) {
      const shard = shardOf(key, shards.count)
      const keys = byShard.get(shard)
      if (keys === undefined) byShard.set(shard, [key])
      else keys.push(key)
    }
    return [...byShard].flatMap(([shard, keys]) => chunks(keys).map((each) => ({ prefix: shards.prefix(shard), keys: each })))
  }
}

function chunks(keys: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(keys.length / MAX_IN_A_CALL) }, (_, n) => keys.slice(n * MAX_IN_A_CALL, (n + 1) * MAX_IN_A_CALL))
}
