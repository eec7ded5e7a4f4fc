import { skip } from '@prisma/client/runtime/client'
import { ClosedError } from '../errors.js'
import { isArguments, isObject } from '../model/key.js'
import { type Arguments, type Call, isRecordOperation, isWrite } from './call.js'
import { choosesLevel } from './isolation.js'
import type { PassThrough } from './pass-through.js'
import { Projector } from './projector.js'
import { RawTables, textOf } from './raw.js'
import { Records, type RecordsModel } from './records.js'
import { RelationGraph } from './relation-graph.js'
import { type Concern, type SurveyedModel, Surveyor } from './surveyor.js'
import type { Transactions } from './transactions.js'

/** What the interceptor needs of a cached model. */
export interface InterceptedModel extends RecordsModel, SurveyedModel {
  /** Name of its delegate. */
  readonly name: string
}

export interface InterceptorContext {
  readonly models: readonly InterceptedModel[]
  readonly passThrough: PassThrough
  readonly transactions: Transactions
  /** The `omit` that the client was made with, by the name of the delegate. */
  readonly omitted: Readonly<Record<string, Arguments>>
  /** Whether the client adds computed fields to the rows of a delegate (`result` extensions). */
  isComputing(delegate: string): boolean
  /** Whether the client refuses `undefined` in arguments and takes `Prisma.skip` instead (preview feature strictUndefinedChecks). */
  readonly strict: boolean
  readonly isClosed: () => boolean
}

/**
 * Receives every call on the extended client. A call about one record of a cached model is answered by the cache (Records). Every other call, and every
 * call in a transaction, goes to the database (PassThrough), together with the cached records that it concerns (Surveyor).
 */
export class Interceptor {
  readonly #context: InterceptorContext
  readonly #records: ReadonlyMap<string, Records>
  readonly #models: ReadonlyMap<string, InterceptedModel>
  readonly #surveyor: Surveyor
  readonly #passThrough: PassThrough
  readonly #tables: RawTables

  constructor(context: InterceptorContext) {
    const { models, passThrough } = context
    this.#context = context
    this.#models = new Map(models.map((each) => [each.model.name, each]))
    this.#records = new Map(models.map((each) => [each.model.name, new Records(each, this.#projectorOf(each))]))
    this.#surveyor = new Surveyor(this.#models, new RelationGraph(models[0]?.model.relations ?? {}))
    this.#passThrough = passThrough
    this.#tables = new RawTables(models.map(({ model }) => model))
  }

  #projectorOf({ name, model }: InterceptedModel): Projector {
    const { omitted, isComputing } = this.#context
    return new Projector(model, omitted[name], isComputing(name))
  }

  async intercept(call: Call): Promise<unknown> {
    if (call.inTransaction) return this.#passInTransaction(call)
    if (!this.#isDeferrable(call)) return this.#pass(call)
    if (this.#context.isClosed()) throw new ClosedError()
    const answered = await (this.#records.get(call.model as string) as Records).answer(call.operation, call.args as Arguments)
    if (answered === undefined) return this.#pass(call)
    if ('failure' in answered) throw answered.failure
    return answered.result
  }

  /** Whether the cache may be able to answer. */
  #isDeferrable(call: Call): boolean {
    const cached = call.model === undefined ? undefined : this.#models.get(call.model)
    if (cached === undefined || !isRecordOperation(call.operation) || !isArguments(call.args)) return false
    if (this.#context.strict && hasGaps(call.args)) return false
    if (!isWrite(call.operation)) return true
    return cached.writer !== undefined && !this.#surveyor.hasDependents(call)
  }

  #pass(call: Call): Promise<unknown> {
    const concerns = this.#survey(call)
    if (concerns.length === 0) return call.query()
    if (this.#context.isClosed()) return Promise.reject(new ClosedError())
    return this.#passThrough.pass(concerns, call.query)
  }

  async #passInTransaction(call: Call): Promise<unknown> {
    const { transactions, isClosed } = this.#context
    const { current } = transactions
    const concerns = this.#survey(call)
    if (concerns.length > 0 && isClosed()) throw new ClosedError()
    if (call.model === undefined && choosesLevel(textOf(call.args))) current.keepSnapshot()
    else if (!isClosed()) await current.beforeStatement(() => this.#passThrough.flushAllWithin(call.model ?? 'raw SQL'))
    return concerns.length === 0 ? call.query() : this.#passThrough.passInTransaction(concerns, current, call.query)
  }

  #survey(call: Call): Concern[] {
    return call.model === undefined ? this.#surveyRaw(call) : this.#surveyor.survey(call)
  }

  #surveyRaw({ operation, args }: Call): Concern[] {
    const sql = textOf(args)
    return this.#surveyor.surveyTables(this.#tables.named(sql), this.#tables.mayChange(operation, sql))
  }
}

function hasGaps(value: unknown): boolean {
  if (value === undefined || value === skip) return true
  return isObject(value) && Object.values(value).some(hasGaps)
}
