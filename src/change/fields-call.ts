import { InvalidInputError } from '../errors.js'
import {
  encode,
  encodeBound,
  encodeDecrement,
  encodeIncrement,
  encodeNow,
  NULL,
  requireComparable,
  requireCounter,
} from '../model/codec.js'
import { describe } from '../model/describe.js'
import { defaultValue, type Fields, whyNoDefault } from '../model/fields.js'
import { isArguments } from '../model/key.js'
import type { Field, Model } from '../model/model.js'
import { startOf } from './change.js'
import { BOUND_MARKS, type Operation, type Shape, type Shapes } from './operation.js'

export type FieldsCallName = 'set' | 'increment' | 'decrement' | 'max' | 'min'

/** What all calls that name the same fields have in common. */
interface Plan {
  readonly fields: readonly Field[]
  readonly touched: readonly Field[]
  /** The fields whose inserted value is not the default with the operation applied to it (Shape.bases). */
  readonly based: readonly Field[]
  /** The other fields that an inserted row fills, and not with a constant default. */
  readonly filled: readonly Field[]
  readonly shape: Shape
  /** The number of values. */
  readonly size: number
}

type Values = Operation['values']

type Encode = (model: Model, field: Field, value: unknown) => string | number | bigint
type Require = (model: Model, field: Field, name: FieldsCallName) => void

const ENCODE: Readonly<Record<FieldsCallName, Encode>> = {
  set: encode,
  increment: encodeIncrement,
  decrement: encodeDecrement,
  max: encodeBound,
  min: encodeBound,
}
const REQUIRE: Readonly<Record<FieldsCallName, Require>> = {
  set: () => {},
  increment: requireStart,
  decrement: requireStart,
  max: requireComparable,
  min: requireComparable,
}
const NO_NAMES: readonly string[] = []

/** A call that gives values for some fields, and inserts the row if it is missing: a short form of an upsert. */
export class FieldsCall {
  readonly #name: FieldsCallName
  readonly #model: Model
  readonly #fields: Fields
  readonly #shapes: Shapes
  readonly #encode: Encode
  readonly #isBound: boolean
  readonly #plans = new Map<string, Plan>()

  constructor(name: FieldsCallName, model: Model, fields: Fields, shapes: Shapes) {
    this.#name = name
    this.#model = model
    this.#fields = fields
    this.#shapes = shapes
    this.#encode = ENCODE[name]
    this.#isBound = name === 'max' || name === 'min'
  }

  compile(key: string, given: unknown): Operation {
    if (!isArguments(given))
      throw new InvalidInputError(this.#model.name, undefined, `the fields to ${this.#name} to be an object`, describe(given))
    const { fields, touched, based, filled, shape, size } = this.#planOf(given)
    // It has its full size from the beginning, because an array that grows takes room for sixteen more.
    const values: Values = Array(size)
    const now = Date.now()
    let n = 0
    for (const field of touched) values[n++] = encodeNow(field, now)
    if (!this.#isBound) n = this.#fill(values, n, fields, given)
    if (this.#isBound) n = this.#fill(values, n, based, given)
    else for (let base = 0; base < based.length; base++) values[n++] = '0'
    for (const field of filled) values[n++] = defaultValue(field, now) as string
    if (this.#isBound) this.#fill(values, n, fields, given)
    return { key, shape, values }
  }

  /** @returns the position after the values of the fields */
  #fill(values: Values, from: number, fields: readonly Field[], given: Record<string, unknown>): number {
    let n = from
    for (const field of fields) values[n++] = this.#encode(this.#model, field, given[field.name])
    return n
  }

  #planOf(given: Record<string, unknown>): Plan {
    let id = ''
    for (const name in given) if (given[name] !== undefined) id = id === '' ? name : `${id},${name}`
    return (
      this.#plans.get(id) ??
      this.#plan(
        id,
        Object.keys(given).filter((name) => given[name] !== undefined),
      )
    )
  }

  #plan(id: string, names: readonly string[]): Plan {
    if (names.length === 0) throw new InvalidInputError(this.#model.name, undefined, `at least one field to ${this.#name}`, 'none')
    const fields = names.map((name) => this.#fields.get(name))
    for (const field of fields) REQUIRE[this.#name](this.#model, field, this.#name)
    const touched = this.#fields.updatedAt.filter((field) => !fields.includes(field))
    const filled = this.#fields.plain.filter((field) => !fields.includes(field) && !touched.includes(field) && this.#isFilled(field))
    const { based, shape } = this.#shape(names, fields, touched, filled)
    const size = touched.length + fields.length + based.length + filled.length
    const plan = { fields, touched, based, filled, shape, size }
    this.#plans.set(id, plan)
    return plan
  }

  #shape(
    names: readonly string[],
    fields: readonly Field[],
    touched: readonly Field[],
    filled: readonly Field[],
  ): Pick<Plan, 'based' | 'shape'> {
    const sets = touched.map(nameOf)
    switch (this.#name) {
      case 'set':
        return { based: [], shape: this.#shapes.intern('upsert', [...sets, ...names], NO_NAMES, filled.map(nameOf)) }
      case 'increment':
      case 'decrement': {
        // Null plus an amount would be null, so these fields start from 0.
        const based = fields.filter((field) => startOf(field) === NULL)
        return { based, shape: this.#shapes.intern('upsert', sets, names, [...based, ...filled].map(nameOf)) }
      }
      case 'max':
      case 'min': {
        // Null becomes the bound, so only another start must be stored.
        const mark = BOUND_MARKS[this.#name]
        const based = fields.filter((field) => startOf(field) !== NULL)
        const bounds = names.map((name) => mark + name)
        return { based, shape: this.#shapes.intern('upsert', sets, NO_NAMES, [...based, ...filled].map(nameOf), bounds) }
      }
    }
  }

  #isFilled(field: Field): boolean {
    const value = defaultValue(field, Date.now())
    if (value !== undefined) return value !== startOf(field)
    const [what, advice] =
      field.default === undefined ? ['default', 'use update or upsert'] : ['value', `${whyNoDefault(field)}; use update or upsert`]
    const expected = `a ${what}, as ${this.#name} inserts the row when it is missing (${advice})`
    throw new InvalidInputError(this.#model.name, field.name, expected, 'none')
  }
}

/** Checks that an inserted row has a value for each field that is incremented. */
function requireStart(model: Model, field: Field, name: FieldsCallName): void {
  requireCounter(model, field)
  if (field.default?.kind !== 'foreign') return
  const expected = `a default that is known here, as ${name} inserts the row when it is missing (use update or upsert)`
  throw new InvalidInputError(model.name, field.name, expected, 'one made by the database or by Prisma')
}

function nameOf(field: Field): string {
  return field.name
}
