import { skip } from '@prisma/client/runtime/client'
import { ClosedError } from '../errors.js'
import { isArguments, isObject } from '../model/key.js'
import { type Arguments, type Call, isRecordOperation, isWrite } from './call.js'
import { choosesLevel } from './isolation.js'
import type { Passage } from './passage.js'
import { Projector } from './projector.js'
import { mayChange, RawTables, textOf } from './raw.js'
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
  readonly passage: Passage
  readonly transactions: Transactions
  /** By delegate, what the client leaves out of rows. */
  readonly omitted: Readonly<Record<string, Arguments>>
  /** Whether the client adds fields to a delegate's rows, computed of the others (`result` extensions). */
  isComputing(delegate: string): boolean
  /** Whether the client refuses `undefined` in arguments, and has `Prisma.skip` for it (preview feature strictUndefinedChecks). */
  readonly strict: boolean
  readonly isClosed: () => boolean
}

/**
 * Every call on the extended client comes here. One record of a cached model is the cache's business (Records); anything else goes to
 * the database (Passage), beside what the call concerns there (Surveyor). In a transaction everything does.
 */
export class Interceptor {
  readonly #context: InterceptorContext
  readonly #records: ReadonlyMap<string, Records>
  readonly #models: ReadonlyMap<string, InterceptedModel>
  readonly #surveyor: Surveyor
  readonly #passage: Passage
  readonly #tables: RawTables

  constructor(context: InterceptorContext) {
    const { models, passage } = context
    this.#context = context
    this.#models = new Map(models.map((each) => [each.model.name, each]))
    this.#records = new Map(models.map((each) => [each.model.name, new Records(each, this.#projectorOf(each))]))
    this.#surveyor = new Surveyor(this.#models, new RelationGraph(models[0]?.model.relations ?? {}))
    this.#passage = passage
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
    return this.#passage.pass(concerns, call.query)
  }

  async #passInTransaction(call: Call): Promise<unknown> {
    const { transactions, isClosed } = this.#context
    const { current } = transactions
    const concerns = this.#survey(call)
    if (concerns.length > 0 && isClosed()) throw new ClosedError()
    if (call.model === undefined && choosesLevel(textOf(call.args))) current.keepSnapshot()
    else if (!isClosed()) await current.beforeStatement(() => this.#passage.flushAllWithin(call.model ?? 'raw SQL'))
    return concerns.length === 0 ? call.query() : this.#passage.passInTransaction(concerns, current, call.query)
  }

  #survey(call: Call): Concern[] {
    return call.model === undefined ? this.#surveyRaw(call) : this.#surveyor.survey(call)
  }

  #surveyRaw({ operation, args }: Call): Concern[] {
    const sql = textOf(args)
    return this.#surveyor.surveyTables(this.#tables.named(sql), mayChange(operation, sql))
  }
}

function hasGaps(value: unknown): boolean {
  if (value === undefined || value === skip) return true
  return isObject(value) && Object.values(value).some(hasGaps)
}
