import { InvalidInputError } from '../errors.js'
import { isObject, KeyEncoder } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { ResolvedPolicy } from '../options.js'
import type { Scope } from '../read/holds.js'
import { type Arguments, type Call, isRecordOperation, isWrite } from './call.js'
import type { RelationGraph } from './relation-graph.js'

/** What the surveyor needs of a cached model. */
export interface SurveyedModel {
  readonly model: Model
  readonly policy: Pick<ResolvedPolicy, 'queries'>
}

/** Cached records that a call in the database reads, refers to or changes. */
export interface Concern {
  /** A cached model, by its name in the Prisma schema. */
  readonly model: string
  /** `returned`: the record that the call creates. Its key is known only when the database returns it. */
  readonly scope: Scope | 'returned'
  /** Whether the call may change the records. Otherwise it only reads them or refers to them. */
  readonly changes: boolean
  /**
   * Whether the call only refers to the records by foreign keys. They are flushed before it, because the database refuses a reference to a missing
   * row.
   */
  readonly referred?: boolean
}

/** Finds out which cached records a call in the database concerns, including those that the database changes by itself (cascades). */
export class Surveyor {
  readonly #models: ReadonlyMap<string, SurveyedModel>
  readonly #keys: ReadonlyMap<string, KeyEncoder>
  readonly #graph: RelationGraph

  /** @param models by their names in the Prisma schema */
  constructor(models: ReadonlyMap<string, SurveyedModel>, graph: RelationGraph) {
    this.#models = models
    this.#keys = new Map([...models].map(([name, { model }]) => [name, new KeyEncoder(model)]))
    this.#graph = graph
  }

  /** Whether the call makes the database change rows of other cached models. Such a call cannot be deferred. */
  hasDependents({ model, operation, args }: Call): boolean {
    return this.#dependents(model as string, operation, args as Arguments).length > 0
  }

  survey(call: Call): Concern[] {
    return merge(isWrite(call.operation) ? this.#write(call) : this.#read(call))
  }

  /**
   * @param models names of the models whose tables raw SQL names
   * @param changes whether the SQL may change them
   */
  surveyTables(models: readonly string[], changes: boolean): Concern[] {
    if (!changes) return this.#flushedFirst(models).map((model) => ({ model, scope: 'all', changes }))
    const dependents = models.flatMap((model) => this.#cached(this.#graph.dependents(model)))
    return merge([...models, ...dependents].map((model) => ({ model, scope: 'all', changes })))
  }

  #read({ model, operation, args }: Call): Concern[] {
    const name = model as string
    const concerns: Concern[] = this.#flushedFirst(this.#graph.named(name, args)).map((each) => ({
      model: each,
      scope: 'all',
      changes: false,
    }))
    if (!this.#models.has(name)) return concerns
    const key = isRecordOperation(operation) ? this.#key(name, (args as Arguments).where) : undefined
    // A query for one record always sees its acknowledged writes. For other queries, the policy decides.
    if (key !== undefined) concerns.push({ model: name, scope: [key], changes: false })
    else if (this.#isFlushedFirst(name)) concerns.push({ model: name, scope: 'all', changes: false })
    return concerns
  }

  #write({ model, operation, args }: Call): Concern[] {
    const name = model as string
    const { data, create, update, where, ...read } = args as Arguments
    const payload = { data, create, update }
    const written = this.#cached(new Set([...this.#graph.named(name, payload), ...this.#graph.nestedDependents(name, payload)]))
    const concerns: Concern[] = [...written, ...this.#dependents(name, operation, args as Arguments)].map((each) => ({
      model: each,
      scope: 'all',
      changes: true,
    }))
    for (const each of this.#flushedFirst(this.#graph.named(name, { where, ...read })))
      concerns.push({ model: each, scope: 'all', changes: false })
    concerns.push(...this.#referred(name, payload))
    const own = this.#models.get(name)
    if (own !== undefined) concerns.push({ model: name, scope: this.#own(own.model, operation, args as Arguments), changes: true })
    return concerns
  }

  #dependents(model: string, operation: string, { data, update }: Arguments): string[] {
    if (operation.startsWith('delete')) return this.#cached(this.#graph.dependents(model))
    if (operation.startsWith('create')) return []
    return this.#cached(this.#graph.dependents(model, this.#graph.touched(model, operation === 'upsert' ? update : data)))
  }

  /** The records that the written rows refer to by foreign keys, nested rows included. The database checks that they exist. */
  #referred(name: string, payload: Arguments): Concern[] {
    const rows = new Map<string, Arguments[]>()
    for (const { model, object } of this.#graph.objects(name, payload)) {
      const found = rows.get(model)
      if (found === undefined) rows.set(model, [object])
      else found.push(object)
    }
    return [...rows].flatMap(([model, found]) => this.#referredBy(model, found))
  }

  #referredBy(model: string, rows: readonly Arguments[]): Concern[] {
    return this.#graph.references(model).flatMap(({ parent, fields, references }) => {
      if (!this.#models.has(parent)) return []
      const given = rows.filter((row) => fields.some((field) => row[field] != null))
      const scope = given.map((row) =>
        this.#referredKey(parent, Object.fromEntries(references.map((name, n) => [name, row[fields[n] as string]]))),
      )
      if (given.length === 0) return []
      return [{ model: parent, scope: scope.every((key) => key !== undefined) ? scope : 'all', changes: false, referred: true }]
    })
  }

  #referredKey(model: string, values: Arguments): string | undefined {
    const { compoundKey } = (this.#models.get(model) as SurveyedModel).model
    const plain = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, isObject(value) && 'set' in value ? value.set : value]),
    )
    return this.#key(model, compoundKey === undefined ? plain : { [compoundKey]: plain })
  }

  #own(model: Model, operation: string, args: Arguments): Concern['scope'] {
    const { name, key } = model
    if (!isRecordOperation(operation) || [args.data, args.create, args.update].some((data) => this.#graph.takesOver(name, data)))
      return 'all'
    const inserted = operation === 'create' ? args.data : args.create
    const created = inserted === undefined ? [] : [this.#createdKey(model, inserted)]
    const touched = this.#graph.touched(name, operation === 'upsert' ? args.update : args.data)
    const touchesKey = key.some((field) => touched.includes(field))
    if (operation === 'create') return created[0] !== undefined ? [created[0]] : touchesKey ? 'all' : 'returned'
    const found = this.#key(name, args.where)
    const keys = [found, ...created]
    return keys.includes(undefined) || touchesKey ? 'all' : (keys as string[])
  }

  #createdKey(model: Model, data: unknown): string | undefined {
    if (!isObject(data)) return undefined
    const values = Object.fromEntries(model.key.map((name) => [name, data[name]]))
    return this.#key(model.name, model.compoundKey === undefined ? values : { [model.compoundKey]: values })
  }

  /** @returns `undefined` when `where` does not name one record by its primary key. Other filters in it only decide whether the record is found. */
  #key(model: string, where: unknown): string | undefined {
    const { key = [], compoundKey } = this.#models.get(model)?.model ?? {}
    const names = compoundKey === undefined ? key : [compoundKey]
    try {
      return this.#keys.get(model)?.encode(Object.fromEntries(names.map((name) => [name, Object(where)[name]])))
    } catch (error) {
      if (error instanceof InvalidInputError) return undefined
      throw error
    }
  }

  #cached(models: Iterable<string>): string[] {
    return [...models].filter((name) => this.#models.has(name))
  }

  #flushedFirst(models: Iterable<string>): string[] {
    return [...models].filter((name) => this.#isFlushedFirst(name))
  }

  #isFlushedFirst(model: string): boolean {
    return this.#models.get(model)?.policy.queries === 'flush'
  }
}

/** Drops a concern about single records if there is another one about their whole model. */
function merge(concerns: readonly Concern[]): Concern[] {
  const whole = new Map<string, Concern>()
  for (const { model, scope, changes, referred = false } of concerns) {
    const { changes: others = false, referred: only = true } = whole.get(model) ?? {}
    if (scope === 'all') whole.set(model, { model, scope, changes: changes || others, referred: referred && only })
  }
  const isTaken = ({ model, changes, referred }: Concern) => {
    const found = whole.get(model)
    return found !== undefined && (found.changes || !changes) && (!found.referred || referred === true)
  }
  return [...whole.values(), ...concerns.filter((concern) => concern.scope !== 'all' && !isTaken(concern))]
}
