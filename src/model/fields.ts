import { InvalidInputError } from '../errors.js'
import { encodeNow, NULL } from './codec.js'
import type { Field, Model } from './model.js'
import { uuid } from './uuid.js'

/** The fields of a model that a call may name, which are all but those of the key. */
export class Fields {
  readonly plain: readonly Field[]
  readonly names: readonly string[]
  readonly updatedAt: readonly Field[]
  readonly #model: Model
  readonly #byName: ReadonlyMap<string, Field>

  constructor(model: Model) {
    this.#model = model
    this.plain = plainFields(model)
    this.names = this.plain.map(({ name }) => name)
    this.updatedAt = this.plain.filter((field) => field.updatedAt)
    this.#byName = new Map(this.plain.map((field) => [field.name, field]))
  }

  /** @throws InvalidInputError if the model has no such field, or the field belongs to the key */
  get(name: string): Field {
    const field = this.#byName.get(name)
    if (field !== undefined) return field
    const got = this.isKey(name) ? 'a key field' : 'an unknown field'
    throw new InvalidInputError(this.#model.name, name, `one of the fields ${this.names.join(', ')}`, got)
  }

  isKey(name: string): boolean {
    return this.#model.key.includes(name)
  }
}

/** All fields but those of the key. */
export function plainFields(model: Model): Field[] {
  return model.fields.filter((field) => !model.key.includes(field.name))
}

/**
 * The value of a field that a call does not name, in an inserted row. Prisma's client fills in the same. `undefined`: the field has no default.
 * @param now the moment of the call
 */
export function defaultValue(field: Field, now: number): string | undefined {
  if (field.default?.kind === 'value') return field.default.value
  if (field.default?.kind === 'uuid') return uuid(field.default.version)
  if (field.default?.kind === 'now' || field.updatedAt) return encodeNow(field, now)
  if (field.default?.kind === 'foreign') return undefined
  return field.nullable || field.list ? NULL : undefined
}

/** Why `defaultValue` has none. */
export function whyNoDefault(field: Field): string {
  return field.default?.kind === 'foreign' ? 'its default is made by the database or by Prisma' : 'the field has no default'
}
