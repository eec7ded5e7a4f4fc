import { Compiler } from '../change/compiler.js'
import type { Condition, Operation } from '../change/operation.js'
import { InvalidInputError, PersistError } from '../errors.js'
import { shardOf } from '../model/key.js'
import type { Model } from '../model/model.js'
import { RowDecoder } from '../model/row.js'
import type { Reader } from '../read/reader.js'
import type { CachedRow } from '../redis/replies.js'
import type { Answer } from '../write/queued-operation.js'
import type { Writer } from '../write/writer.js'
import { type Arguments, hasOthers } from './call.js'
import type { Projection, Projector } from './projector.js'

/** What Records needs of a cached model. */
export interface RecordsModel {
  readonly model: Model
  readonly shards: { readonly count: number }
  readonly reader: Pick<Reader, 'find'>
  /** Only with the strategy `write-behind`. */
  readonly writer: Pick<Writer, 'writeIf'> | undefined
}

/** The answer of the cache; `undefined` when the database has to answer. `failure`: the write was stored, but its row cannot be returned. */
export type Answered = { readonly result: unknown } | { readonly failure: PersistError } | undefined

/** The number of loads in a row that leave no cached row. After that a write goes to the database, because somebody is changing the row there. */
const MAX_LOADS = 2

/**
 * Answers the calls about one record, if the cache knows what Prisma would answer. It never refuses a call. It leaves some calls to Prisma, which
 * then throws its own error: a call that does not fit the model, a call that needs a row which is missing, and a call that creates a row which
 * exists.
 */
export class Records {
  readonly #cached: RecordsModel
  readonly #projector: Projector
  readonly #compiler: Compiler
  readonly #rows: RowDecoder

  constructor(cached: RecordsModel, projector: Projector) {
    this.#cached = cached
    this.#projector = projector
    this.#compiler = new Compiler(cached.model, { bounds: false })
    this.#rows = new RowDecoder(cached.model)
  }

  async answer(operation: string, args: Arguments): Promise<Answered> {
    const fields = this.#projector.project(args)
    if (fields === undefined) return undefined
    try {
      switch (operation) {
        case 'findUnique':
        case 'findUniqueOrThrow':
          return await this.#find(args, fields, operation === 'findUnique')
        case 'create':
          return await this.#create(args, fields)
        case 'update':
          return await this.#update(args, fields)
        case 'upsert':
          return await this.#upsert(args, fields)
        case 'delete':
          return await this.#delete(args, fields)
      }
    } catch (error) {
      // Prisma may be able to read a row that the cache cannot read.
      if (!(error instanceof InvalidInputError || (error instanceof PersistError && error.code === 'REFUSED'))) throw error
    }
    return undefined
  }

  async #find(args: Arguments, fields: Projection, canBeNull: boolean): Promise<Answered> {
    if (hasOthers(args, ['where', 'select', 'omit'])) return undefined
    const key = this.#compiler.key(args.where)
    const view = await this.#view(key)
    if (view !== 'missing') return this.#row(key, view, fields)
    return canBeNull ? { result: null } : undefined
  }

  async #create(args: Arguments, fields: Projection): Promise<Answered> {
    const { data, select, omit, ...others } = args
    if (hasOthers(others, [])) return undefined
    return this.#write(this.#compiler.create({ data }), 'missing', fields)
  }

  async #update(args: Arguments, fields: Projection): Promise<Answered> {
    const { where, data } = args
    if (hasOthers(args, ['where', 'data', 'select', 'omit'])) return undefined
    const operation = this.#compiler.update({ where, data })
    if (operation === undefined) return this.#find({ where }, fields, false)
    return this.#write(operation, 'there', fields)
  }

  /** Prisma looks for the row by `where`, and inserts `create`. The cache answers only if both name the same key. */
  async #upsert(args: Arguments, fields: Projection): Promise<Answered> {
    const { where, create, update } = args
    if (hasOthers(args, ['where', 'create', 'update', 'select', 'omit'])) return undefined
    const key = this.#compiler.key(where)
    if (this.#compiler.create({ data: create }).key !== key) return undefined
    const row: string[] = []
    const operation = this.#compiler.upsert({ where, create, update }, row)
    const { sets, increments } = operation.shape
    if (sets.length + increments.length > 0) return this.#write(operation, 'known', fields, row)
    const found = await this.#find({ where }, fields, false)
    return found ?? this.#write(operation, 'known', fields, row)
  }

  async #delete(args: Arguments, fields: Projection): Promise<Answered> {
    if (hasOthers(args, ['where', 'select', 'omit'])) return undefined
    return this.#write(this.#compiler.delete({ where: args.where }), 'there', fields)
  }

  async #write(operation: Operation, condition: Condition, fields: Projection, row?: readonly string[]): Promise<Answered> {
    const { key } = operation
    const asking = this.#compiler.conditional(operation, condition, row)
    for (let loads = 0; loads <= MAX_LOADS; loads++) {
      const answer: Answer | undefined = await this.#cached.writer?.writeIf(shardOf(key, this.#cached.shards.count), asking)
      if (typeof answer === 'object') return this.#written(key, answer, fields)
      if (answer !== 'unknown') return undefined
      await this.#view(key)
    }
    return undefined
  }

  #view(key: string): Promise<CachedRow> {
    return this.#cached.reader.find(shardOf(key, this.#cached.shards.count), key, (view) => view)
  }

  /** The write is stored, so Prisma must not repeat it. Plain Prisma, too, fails after the write if it cannot read the row. */
  #written(key: string, texts: readonly string[], fields: Projection): Answered {
    try {
      return this.#row(key, texts, fields)
    } catch (error) {
      if (error instanceof PersistError) return { failure: error }
      throw error
    }
  }

  #row(key: string, texts: readonly string[], fields: Projection): Answered {
    return { result: this.#rows.decode(key, texts, fields) }
  }
}
