import { Compiler } from './change/compiler.js'
import type { Operation } from './change/operation.js'
import { ClosedError, InvalidInputError } from './errors.js'
import type {
  Bounds,
  Create,
  DeleteArgs,
  FindManyArgs,
  FindUniqueArgs,
  Increments,
  Inserting,
  PendingRecord,
  Select,
  Selected,
  Update,
  UpdateArgs,
  UpsertArgs,
  Values,
  Where,
} from './model/arguments.js'
import { describe } from './model/describe.js'
import { isObject, shardOf } from './model/key.js'
import type { Model } from './model/model.js'
import { RowDecoder } from './model/row.js'
import type { Holds } from './read/holds.js'
import type { Inspector } from './read/inspector.js'
import type { Reader } from './read/reader.js'
import { redact } from './redaction.js'
import type { CachedRow } from './redis/replies.js'
import type { Stoppable } from './service.js'

/** Takes checked writes, and resolves when they are where the model's strategy wants them. @internal */
export interface RecordWriter extends Stoppable {
  write(shard: number, operation: Operation): Promise<void>
}

/** @internal */
export interface ModelCacheContext<M extends Model> {
  readonly model: M
  /** Number of shards. */
  readonly shards: number
  readonly writer: RecordWriter
  readonly reader: Reader
  readonly inspector: Inspector
  readonly holds: Holds
}

/**
 * The calls on one model. A write resolves when Redis has stored it; with the strategies `write-through` and `write-around`, when the database has
 * committed it. It returns nothing, because the row is not known then.
 *
 * Errors that every call throws; nothing is stored then:
 * - InvalidInputError: the arguments do not fit the model
 * - ConfigurationError: the database is not the one that the namespace belongs to
 * - UnavailableError, ClosedError
 *
 * Errors of a write with the strategy `write-behind`:
 * - BacklogFullError, RedisFullError, UnsafeRedisError; nothing is stored
 * - PersistError with the code `REFUSED`: the change of the record that is in Redis cannot be read; nothing is stored
 * - OutcomeUnknownError: the write may have been stored, or not
 *
 * Errors of a write with one of the other strategies:
 * - ParkedError, TimeoutError: an earlier write of the record, made with `write-behind`, could not be flushed first; nothing is written
 * - PersistError: the database refused the write, or its answer was lost
 */
export class ModelCache<M extends Model = Model> {
  readonly #model: M
  readonly #shards: number
  readonly #compiler: Compiler
  readonly #writer: RecordWriter
  readonly #reader: Reader
  readonly #inspector: Inspector
  readonly #holds: Holds
  readonly #rows: RowDecoder
  #closed = false

  /** @internal made by createWriteBehind */
  constructor({ model, shards, writer, reader, inspector, holds }: ModelCacheContext<M>) {
    this.#model = model
    this.#shards = shards
    this.#compiler = new Compiler(model)
    this.#writer = writer
    this.#reader = reader
    this.#inspector = inspector
    this.#holds = holds
    this.#rows = new RowDecoder(model)
  }

  /** Changes the row, or inserts it when it is missing. */
  upsert<C extends Create<M>, U extends Update<M>>(args: UpsertArgs<M, C, U>): Promise<void> {
    return this.#write(() => this.#compiler.upsert(args))
  }

  /** Changes the row. If the row is missing, nothing happens. (Prisma's own update throws P2025; here only the database knows that the row is missing.) */
  update<U extends Update<M>>(args: UpdateArgs<M, U>): Promise<void> {
    return this.#write(() => this.#compiler.update(args))
  }

  /** Deletes the row; when it is missing, nothing happens. */
  delete(args: DeleteArgs<M>): Promise<void> {
    return this.#write(() => this.#compiler.delete(args))
  }

  /**
   * Adds to Int and BigInt fields. A missing row is inserted with its defaults and the amounts on top of them; that needs a default,
   * or null, in every other field. A sum outside 64 bits is refused with InvalidInputError, as is a field whose default the database or
   * Prisma makes.
   */
  increment<A extends Increments<M>>(where: Where<M>, amounts: Inserting<M, A, keyof Increments<M>>): Promise<void> {
    return this.#write(() => this.#compiler.increment(where, amounts))
  }

  /** Subtracts, as `increment` adds. */
  decrement<A extends Increments<M>>(where: Where<M>, amounts: Inserting<M, A, keyof Increments<M>>): Promise<void> {
    return this.#write(() => this.#compiler.decrement(where, amounts))
  }

  /** Sets fields. A missing row is inserted with them and the defaults; that needs a default, or null, in every other field. */
  set<V extends Values<M>>(where: Where<M>, values: Inserting<M, V, keyof Values<M>>): Promise<void> {
    return this.#write(() => this.#compiler.set(where, values))
  }

  /**
   * Raises Int, BigInt, Float, Decimal and DateTime fields to the given values, if these are larger: for a high score, or a last-seen time. A field
   * that is null takes any value. A missing row is inserted with the values and the defaults; that needs a default, or null, in every other field.
   */
  max<B extends Bounds<M>>(where: Where<M>, values: Inserting<M, B, keyof Bounds<M>>): Promise<void> {
    return this.#write(() => this.#compiler.max(where, values))
  }

  /** Lowers fields to the given values, if these are smaller, as `max` raises them: for a best time, or a first-seen time. */
  min<B extends Bounds<M>>(where: Where<M>, values: Inserting<M, B, keyof Bounds<M>>): Promise<void> {
    return this.#write(() => this.#compiler.min(where, values))
  }

  /**
   * Returns the row with all acknowledged writes; null when the row is missing.
   * @throws PersistError when it has to be loaded and the database does not answer, or holds what the model cannot
   */
  findUnique<S extends Select<M> | undefined = undefined>(args: FindUniqueArgs<M, S>): Promise<Selected<M, S> | null> {
    try {
      const { where, select } = this.#findArguments(args, 'where')
      return this.#find<S>(this.#compiler.key(where), select)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Returns the rows of some keys, in the order of the keys, with all acknowledged writes; null for a row that is missing. Rows that are not in Redis
   * are loaded together. The result is no snapshot: each row is as it was when it was read.
   * @throws PersistError when rows have to be loaded and the database does not answer, or holds what the model cannot
   */
  async findMany<S extends Select<M> | undefined = undefined>(args: FindManyArgs<M, S>): Promise<(Selected<M, S> | null)[]> {
    const { where: keys, select } = this.#findArguments(args, 'keys')
    if (!Array.isArray(keys)) throw new InvalidInputError(this.#model.name, undefined, 'keys to be a list of keys', describe(keys))
    return Promise.all(keys.map((where) => this.#compiler.key(where)).map((key) => this.#find<S>(key, select)))
  }

  /** Whether every acknowledged write of the record is in the database. A record that is parked has some that are not. */
  async isPersisted(where: Where<M>): Promise<boolean> {
    return this.#inspect(where, (shard, key) => this.#inspector.isPersisted(shard, key))
  }

  /** The changes of the record that are not in the database yet; `null` if there are none. */
  async pending(where: Where<M>): Promise<PendingRecord<M> | null> {
    return this.#inspect(where, (shard, key) => this.#inspector.pending(shard, key) as Promise<PendingRecord<M> | null>)
  }

  /**
   * Drops the cached row. Call it after somebody else has changed the row. Writes that are not in the database yet stay, and are added to the row
   * when it is loaded again.
   * @throws UnavailableError when Redis could not be reached
   */
  async invalidate(where: Where<M>): Promise<void> {
    return this.#inspect(where, (_, key) => this.#holds.invalidate([key]))
  }

  /** @internal Refuses further calls, and resolves when no write is under way. */
  async stop(): Promise<void> {
    this.#closed = true
    await this.#writer.stop()
  }

  /** This is no async function, because that would add a promise and two turns of the event loop to every write. */
  #write(compile: () => Operation | undefined): Promise<void> {
    try {
      const operation = compile()
      if (this.#closed) throw new ClosedError()
      return operation === undefined ? Promise.resolve() : this.#writer.write(shardOf(operation.key, this.#shards), operation)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #find<S extends Select<M> | undefined>(key: string, select: Record<string, boolean> | undefined): Promise<Selected<M, S> | null> {
    if (this.#closed) throw new ClosedError()
    const toRow = (view: CachedRow) => (view === 'missing' ? null : (this.#decode(key, view, select) as Selected<M, S>))
    return this.#reader.find(shardOf(key, this.#shards), key, toRow)
  }

  #decode(key: string, texts: readonly string[], select: Record<string, boolean> | undefined): Record<string, unknown> {
    try {
      return this.#rows.decode(key, texts, select)
    } catch (error) {
      throw redact(error)
    }
  }

  #inspect<T>(where: Where<M>, look: (shard: number, key: string) => Promise<T>): Promise<T> {
    const key = this.#compiler.key(where)
    if (this.#closed) throw new ClosedError()
    return look(shardOf(key, this.#shards), key).catch(rethrow)
  }

  #findArguments(args: unknown, what: 'where' | 'keys'): { where: unknown; select: Record<string, boolean> | undefined } {
    const { name, fields } = this.#model
    if (!isObject(args)) throw new InvalidInputError(name, undefined, `{ ${what}, select }`, describe(args))
    const { [what]: where, select, ...rest } = args
    const [unknown] = Object.keys(rest)
    if (unknown !== undefined) throw new InvalidInputError(name, undefined, `only ${what} and select`, unknown)
    if (select === undefined) return { where, select: undefined }
    if (!isObject(select)) throw new InvalidInputError(name, undefined, 'select to be an object', describe(select))
    for (const [field, flag] of Object.entries(select)) {
      if (!fields.some((each) => each.name === field))
        throw new InvalidInputError(name, field, 'a scalar field in select', 'an unknown field, or a relation')
      if (flag !== undefined && typeof flag !== 'boolean') throw new InvalidInputError(name, field, 'a boolean in select', describe(flag))
    }
    if (!Object.values(select).includes(true)) throw new InvalidInputError(name, undefined, 'select to name at least one field', 'none')
    return { where, select: select as Record<string, boolean> }
  }
}

function rethrow(error: unknown): never {
  throw redact(error)
}
