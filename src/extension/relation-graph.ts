import type { Relations } from '../model/model.js'

/** A foreign key: fields of the child refer to fields of the parent. */
interface ForeignKey {
  readonly child: string
  readonly parent: string
  readonly fields: readonly string[]
  readonly references: readonly string[]
}

/** An object within a call's arguments, and the model that it is about: a row to be written, a filter, or what holds those. */
interface Found {
  readonly model: string
  readonly object: Readonly<Record<string, unknown>>
  /** Objects and lists around it. */
  readonly depth: number
}

const NESTED_UPDATES = ['update', 'updateMany', 'upsert'] as const

/** Which models a call on one of them reaches, by the relations of the schema. */
export class RelationGraph {
  readonly #relations: Relations
  readonly #foreignKeys: readonly ForeignKey[]

  constructor(relations: Relations) {
    this.#relations = relations
    this.#foreignKeys = Object.entries(relations).flatMap(([child, fields]) =>
      Object.values(fields).flatMap(({ to, fields: own, references }) =>
        own === undefined || references === undefined ? [] : [{ child, parent: to, fields: own, references }],
      ),
    )
  }

  /** The models that arguments of a call name, over relations: nested writes, `include`, filters. */
  named(model: string, args: unknown): ReadonlySet<string> {
    const found = new Set<string>()
    for (const { model: each, object, depth } of this.objects(model, args)) {
      for (const [name, value] of Object.entries(object)) {
        const relation = this.#relations[each]?.[name]
        if (relation !== undefined && value !== undefined) found.add(relation.to)
        if (name === '_count' && value === true && depth > 0) this.#addRelated(each, found)
      }
    }
    return found
  }

  /** What arguments of a call hold, over relations. */
  objects(model: string, args: unknown): Iterable<Found> {
    return this.#objects(model, args, [])
  }

  /** The scalar fields that the data of a write changes, a relation's foreign key included. */
  touched(model: string, data: unknown): string[] {
    return Object.entries(Object(data)).flatMap(([name, value]) =>
      value === undefined ? [] : [name, ...(this.#relations[model]?.[name]?.fields ?? [])],
    )
  }

  /** Whether data of a write names a relation which it can take from another row of the model. */
  takesOver(model: string, data: unknown): boolean {
    return Object.entries(Object(data)).some(([name, value]) => value !== undefined && this.#relations[model]?.[name]?.single === true)
  }

  /** The models whose rows the database deletes or changes along with those that nested writes among the arguments delete or change. */
  nestedDependents(model: string, args: unknown): ReadonlySet<string> {
    const found = new Set<string>()
    const add = (names: ReadonlySet<string>) => {
      for (const name of names) found.add(name)
    }
    for (const { model: each, object } of this.objects(model, args)) {
      if (object.delete !== undefined || object.deleteMany !== undefined) add(this.dependents(each))
      const updates = NESTED_UPDATES.flatMap((name) => object[name]).filter((update) => typeof update === 'object' && update !== null)
      for (const update of updates as { data?: unknown; update?: unknown }[])
        for (const data of [update, update.data, update.update]) add(this.dependents(each, this.touched(each, data)))
    }
    return found
  }

  /**
   * The models whose rows hang on a model's: when those are deleted, or the fields change to which foreign keys refer, the database
   * deletes or changes them too, or refuses.
   * @param changed the names of the fields that change; left out: rows are deleted
   */
  dependents(model: string, changed?: readonly string[]): ReadonlySet<string> {
    const found = new Set<string>()
    this.#depend(model, changed, found)
    return found
  }

  /** The foreign keys that rows of a model hold. */
  references(model: string): readonly ForeignKey[] {
    return this.#foreignKeys.filter(({ child }) => child === model)
  }

  *#objects(model: string, value: unknown, within: readonly unknown[]): Generator<Found> {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || within.includes(value)) return
    const isList = Array.isArray(value)
    if (!isList) yield { model, object: value as Found['object'], depth: within.length }
    const path = [...within, value]
    for (const [name, each] of Object.entries(value)) {
      const relation = isList ? undefined : this.#relations[model]?.[name]
      yield* this.#objects(relation?.to ?? model, each, path)
    }
  }

  /** What `_count: true` counts, in `select` and `include`; at the top of a call it counts the rows themselves. */
  #addRelated(model: string, found: Set<string>): void {
    for (const { to } of Object.values(this.#relations[model] ?? {})) found.add(to)
  }

  #depend(model: string, changed: readonly string[] | undefined, found: Set<string>): void {
    for (const { child, parent, fields, references } of this.#foreignKeys) {
      if (parent !== model || found.has(child)) continue
      if (changed !== undefined && !references.some((name) => changed.includes(name))) continue
      found.add(child)
      this.#depend(child, changed === undefined ? undefined : fields, found)
    }
  }
}
