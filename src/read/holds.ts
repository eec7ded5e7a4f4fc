import { randomUUID } from 'node:crypto'
import { type Failure, isUndecided } from '../database/outcome.js'
import type { Events } from '../events.js'
import { shardOf } from '../model/key.js'
import type { ShardNames } from '../redis/keys.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'

/** The highest number of keys in one call. It limits how long one script blocks Redis. */
const MAX_IN_A_CALL = 500

/** The keys of some records of the model, or all records. */
export type Scope = readonly string[] | 'all'

export interface Hold {
  /** The keys of the scope whose records are dirty. Empty if the scope is all records. */
  readonly dirty: readonly string[]
  /** Ends the hold, and drops the cached rows again. Never throws: if Redis is away, it emits a `failure`, and the hold expires by itself. */
  release(): Promise<void>
  /**
   * Ends the hold after the statement failed. If the database may have carried out the statement, or may still do so, this drops the cached rows and lets
   * the hold expire by itself. Never throws.
   */
  fail(error: unknown): Promise<void>
}

export interface HoldsContext {
  readonly model: string
  readonly shards: ShardNames
  readonly store: Store
  readonly connection: RetryingConnection
  readonly events: Events
  /** Ms after which a hold expires if its holder has died. Longer than a statement takes. */
  readonly ttl: number
  /** Tells what a failure of the database means. */
  classify(error: unknown): Failure
  /** Caches the rows again after a release. Without it, the next read does. */
  readonly load?: ((keys: readonly string[]) => Promise<void>) | undefined
}

/** A part of a scope, for one call. `keys` is empty if the part is a whole shard. */
interface Piece {
  readonly prefix: string
  readonly keys: readonly string[]
}

/**
 * A hold protects a statement that changes rows without a batch of the library. Its beginning and its release drop the cached rows of these records.
 * Between them Redis gives no lease, so reads answer from the database and cache nothing. So a row is cached only if no hold was open when it was
 * read, and none was opened since. This is true for any number of writers, and at whichever step one of them is paused.
 *
 * A hold that is never released expires. From then on Redis gives leases again, and loads see what the statement has committed by then. One case is
 * left: the statement is committed after the hold has expired, and its holder dies before it can drop the cached rows. Then the old row may stay
 * cached until its TTL.
 */
export class Holds {
  readonly #context: HoldsContext

  constructor(context: HoldsContext) {
    this.#context = context
  }

  /**
   * Resolves when no row of the scope can be cached any more.
   * @throws UnavailableError when Redis does not answer in time. Then the statement must not run, because old rows might stay in the cache
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
   * Runs a statement under a hold. The hold is prolonged if nobody can say whether the statement was carried out.
   * @throws UnavailableError before the statement, and whatever the statement throws
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
   * Drops cached rows. Loads in flight do not cache their rows.
   * @throws UnavailableError when Redis does not answer in time
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
