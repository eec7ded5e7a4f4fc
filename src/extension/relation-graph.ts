import type { Relations } from '../model/model.js'

/** A foreign key: fields of the child refer to fields of the parent. */
interface ForeignKey {
  readonly child: string
  readonly parent: string
  readonly fields: readonly string[]
  readonly references: readonly string[]
}

/**
 * An object within the arguments of a call, and the model that it is about. The object is a row to be written, a filter, or an object that contains
 * such objects.
 */
interface Found {
  readonly model: string
  readonly object: Readonly<Record<string, unknown>>
  /** Number of objects and lists around it. */
  readonly depth: number
}

const NESTED_UPDATES = ['update', 'updateMany', 'upsert'] as const

/** Finds out which models a call reaches by the relations of the schema. */
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

  /** The models that the arguments of a call name by relations: nested writes, `include`, filters. */
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

  /** All objects within the arguments of a call, with the models that they are about. */
  objects(model: string, args: unknown): Iterable<Found> {
    return this.#objects(model, args, [])
  }

  /** The fields that the data of a write changes, including the foreign keys of relations. */
  touched(model: string, data: unknown): string[] {
    return Object.entries(Object(data)).flatMap(([name, value]) =>
      value === undefined ? [] : [name, ...(this.#relations[model]?.[name]?.fields ?? [])],
    )
  }

  /** Whether the data of a write sets a one-to-one relation, which may take the related row away from another row of the model. */
  takesOver(model: string, data: unknown): boolean {
    return Object.entries(Object(data)).some(([name, value]) => value !== undefined && this.#relations[model]?.[name]?.single === true)
  }

  /** When the nested writes of a call delete or change rows, the database may also delete or change rows of other models. Returns these models. */
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
   * The models whose rows refer to rows of this model, directly or by other models. When rows of this model are deleted, or fields change to which
   * foreign keys refer, the database also deletes or changes the referring rows, or refuses.
   * @param changed names of the fields that change; left out when rows are deleted
   */
  dependents(model: string, changed?: readonly string[]): ReadonlySet<string> {
    const found = new Set<string>()
    this.#depend(model, changed, found)
    return found
  }

  /** The foreign keys in the rows of a model. */
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

  /** `_count: true` in `select` and `include` counts the rows of all relations. At the top of a call, it counts the rows of the model itself. */
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
