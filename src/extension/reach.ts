import type { Relations } from '../schema/model.js'

/** A foreign key: fields of the child refer to fields of the parent. */
interface ForeignKey {
  readonly child: string
  readonly parent: string
  readonly fields: readonly string[]
  readonly references: readonly string[]
}

/** Which models a call on one of them reaches, by the relations of the schema. */
export class Reach {
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
    this.#walk(model, args, found, [])
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

  /** The models that rows of a model refer to, directly or not. */
  ancestors(model: string): ReadonlySet<string> {
    const found = new Set<string>()
    const climb = (child: string) => {
      for (const { parent } of this.references(child)) {
        if (found.has(parent)) continue
        found.add(parent)
        climb(parent)
      }
    }
    climb(model)
    return found
  }

  #walk(model: string, value: unknown, found: Set<string>, within: readonly unknown[]): void {
    if (typeof value !== 'object' || value === null || within.includes(value)) return
    const path = [...within, value]
    for (const [name, each] of Object.entries(value)) {
      const relation = Array.isArray(value) ? undefined : this.#relations[model]?.[name]
      if (name === '_count' && each === true && within.length > 0) this.#addRelated(model, found)
      if (relation !== undefined && each !== undefined) found.add(relation.to)
      this.#walk(relation?.to ?? model, each, found, path)
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
