import { InvalidInputError } from '../errors.js'
import { larger, smaller } from './bound.js'
import { isCounter, plainFields, startOf } from './change.js'
import { describe, encode, encodeBound, encodeIncrement, encodeNow, NULL, requireComparable } from './codec.js'
import { isObject, joinKey, KeyEncoder, splitKey } from './key.js'
import type { Field, Model } from './model.js'
import { type Condition, type Operation, type Shape, Shapes } from './operation.js'
import { uuid } from './uuid.js'

interface Changes {
  readonly setNames: string[]
  readonly sets: string[]
  readonly incrementNames: string[]
  readonly increments: (number | bigint)[]
  /** With their marks. */
  readonly boundNames: string[]
  readonly bounds: string[]
}

/** Calls on some fields of a row, which insert it when it is missing. */
type FieldsCall = 'set' | 'increment' | 'decrement' | 'max' | 'min'

/** All of such a call but its values, for calls that name the same fields. */
interface Plan {
  readonly fields: readonly Field[]
  readonly touched: readonly Field[]
  /** Those of the fields whose inserted value is not the default and then the operation: see Shape.bases. */
  readonly based: readonly Field[]
  /** Other fields, that an inserted row fills with something else than a constant default. */
  readonly filled: readonly Field[]
  readonly shape: Shape
}

const NO_NAMES: readonly string[] = []
/** Of bounds: see Shape.bounds. */
const MARKS = { max: '^', min: '_' } as const

/**
 * Checks the arguments of a call against its model and turns them into an operation. Nothing invalid gets past it. It runs for every
 * write: arrays beside each other instead of maps, and plans instead of work done again.
 */
export class Compiler {
  readonly #model: Model
  readonly #keys: KeyEncoder
  readonly #fields: ReadonlyMap<string, Field>
  readonly #plain: readonly Field[]
  readonly #names: readonly string[]
  readonly #updatedAt: readonly Field[]
  readonly #shapes: Shapes
  readonly #plans = new Map<string, Plan>()

  constructor(model: Model) {
    this.#model = model
    this.#keys = new KeyEncoder(model)
    this.#plain = plainFields(model)
    this.#names = this.#plain.map(nameOf)
    this.#fields = new Map(this.#plain.map((field) => [field.name, field]))
    this.#shapes = new Shapes(this.#plain.filter(isCounter).map((field) => [field.name, largestOf(field)]))
    this.#updatedAt = this.#plain.filter((field) => field.updatedAt)
  }

  key(where: unknown): string {
    return this.#keys.encode(where)
  }

  /** @param row takes the stored texts of the whole row to insert */
  upsert(args: { where: unknown; create: unknown; update: unknown }, row?: string[]): Operation {
    this.#only(args, ['where', 'create', 'update'])
    const key = this.key(args.where)
    const changes = this.#changes(this.#given(args.update, 'update', args.where, key))
    const baseNames: string[] = []
    const values: (string | number | bigint)[] = changes.increments.length === 0 ? changes.sets : [...changes.sets, ...changes.increments]
    this.#addBases(changes, this.#given(args.create, 'create', args.where, key), baseNames, values, row)
    values.push(...changes.bounds)
    const shape = this.#shapes.intern('upsert', changes.setNames, changes.incrementNames, baseNames, changes.boundNames)
    return { key, shape, values }
  }

  /** `undefined`: the call changes nothing. */
  update(args: { where: unknown; data: unknown }): Operation | undefined {
    this.#only(args, ['where', 'data'])
    const key = this.key(args.where)
    const changes = this.#changes(this.#given(args.data, 'data', args.where, key))
    const { setNames, sets, incrementNames, increments, boundNames, bounds } = changes
    if (sets.length + increments.length + bounds.length === 0) return undefined
    const shape = this.#shapes.intern('update', setNames, incrementNames, NO_NAMES, boundNames)
    return { key, shape, values: [...sets, ...increments, ...bounds] }
  }

  /** Sets every field; the key is the data's, or filled by its defaults. */
  create(args: { data: unknown }): Operation {
    this.#only(args, ['data'])
    const { data } = args
    if (!isObject(data)) throw new InvalidInputError(this.#model.name, undefined, 'data to be an object', describe(data))
    const key = joinKey(this.#model.key.map((name, position) => this.#keyValue(name, position, data[name])))
    for (const name in data) if (data[name] !== undefined && !this.#model.key.includes(name)) this.#plainField(name)
    const values = this.#plain.map((field) => this.#insertedValue(field, data[field.name]))
    return { key, shape: this.#shapes.intern('create', this.#names, NO_NAMES, NO_NAMES), values }
  }

  /** The same operation, done if the view meets the condition, and answered with the row. */
  conditional({ key, shape, values }: Operation, condition: Condition, row: readonly string[] = NO_NAMES): Operation {
    return { key, shape: this.#shapes.conditional(shape, condition, this.#names), values: [...values, ...row] }
  }

  delete(args: { where: unknown }): Operation {
    this.#only(args, ['where'])
    return { key: this.key(args.where), shape: this.#shapes.intern('delete', NO_NAMES, NO_NAMES, NO_NAMES), values: [] }
  }

  /** An upsert whose inserted row holds the defaults, and the amounts on top of them. */
  increment(where: unknown, amounts: unknown): Operation {
    return this.#onFields('increment', where, amounts)
  }

  decrement(where: unknown, amounts: unknown): Operation {
    return this.#onFields('decrement', where, amounts)
  }

  /** An upsert whose inserted row holds the values, and defaults in the other fields; as are those of max and min. */
  set(where: unknown, values: unknown): Operation {
    return this.#onFields('set', where, values)
  }

  max(where: unknown, values: unknown): Operation {
    return this.#onFields('max', where, values)
  }

  min(where: unknown, values: unknown): Operation {
    return this.#onFields('min', where, values)
  }

  #onFields(call: FieldsCall, where: unknown, given: unknown): Operation {
    const key = this.key(where)
    if (!isObject(given)) throw new InvalidInputError(this.#model.name, undefined, `the fields to ${call} to be an object`, describe(given))
    let names = Object.keys(given)
    if (names.some((name) => given[name] === undefined)) names = names.filter((name) => given[name] !== undefined)
    const id = names.length === 1 ? `${call} ${names[0]}` : `${call} ${names.join()}`
    const { fields, touched, based, filled, shape } = this.#plans.get(id) ?? this.#plan(id, call, names)
    const bounds = shape.bounds.length > 0
    const values: (string | number | bigint)[] = []
    for (const field of touched) values.push(encodeNow(field))
    if (!bounds) for (const field of fields) values.push(this.#operand(call, field, given[field.name]))
    for (const field of based) values.push(bounds ? this.#operand(call, field, given[field.name]) : '0')
    for (const field of filled) values.push(this.#defaultValue(field) as string)
    if (bounds) for (const field of fields) values.push(this.#operand(call, field, given[field.name]))
    return { key, shape, values }
  }

  #operand(call: FieldsCall, field: Field, value: unknown): string | number | bigint {
    switch (call) {
      case 'set':
        return encode(this.#model, field, value)
      case 'increment':
        return encodeIncrement(this.#model, field, value)
      case 'decrement':
        return encodeIncrement(this.#model, field, negate(value))
      case 'max':
      case 'min':
        return encodeBound(this.#model, field, value)
    }
  }

  #plan(id: string, call: FieldsCall, names: readonly string[]): Plan {
    if (names.length === 0) throw new InvalidInputError(this.#model.name, undefined, `at least one field to ${call}`, 'none')
    const fields = names.map((name) => this.#plainField(name))
    const adds = call === 'increment' || call === 'decrement'
    const bounds = call === 'max' || call === 'min'
    for (const field of fields) {
      if (adds) encodeIncrement(this.#model, field, 0)
      if (bounds) requireComparable(this.#model, field)
    }
    const touched = this.#updatedAt.filter((field) => !fields.includes(field))
    const filled = this.#plain.filter((field) => !fields.includes(field) && !touched.includes(field) && this.#isFilled(field, call))
    // Nothing plus an amount is null, so that an increment starts from 0; null is what a maximum or minimum may start from.
    const based = call === 'set' ? [] : fields.filter((field) => (startOf(field) === NULL) === adds)
    const shape = this.#shapes.intern(
      'upsert',
      [...touched, ...(call === 'set' ? fields : [])].map(nameOf),
      adds ? names : NO_NAMES,
      [...based, ...filled].map(nameOf),
      bounds ? names.map((name) => MARKS[call] + name) : NO_NAMES,
    )
    const plan = { fields, touched, based, filled, shape }
    this.#plans.set(id, plan)
    return plan
  }

  #isFilled(field: Field, call: FieldsCall): boolean {
    const value = this.#defaultValue(field)
    if (value !== undefined) return isBase(field, value)
    throw new InvalidInputError(
      this.#model.name,
      field.name,
      `a default, as ${call} inserts the row when it is missing (use upsert)`,
      'none',
    )
  }

  #changes(given: Record<string, unknown>): Changes {
    const changes: Changes = { setNames: [], sets: [], incrementNames: [], increments: [], boundNames: [], bounds: [] }
    for (const name in given) {
      const value = given[name]
      if (value === undefined || this.#isKey(name)) continue
      const field = this.#plainField(name)
      if (field.type !== 'Json' && isPlainObject(value)) this.#change(changes, field, value)
      else this.#set(changes, field, encode(this.#model, field, value))
    }
    // As Prisma does: what changes nothing leaves @updatedAt alone.
    if (changes.setNames.length + changes.incrementNames.length + changes.boundNames.length === 0) return changes
    for (const field of this.#updatedAt) {
      if (!changes.setNames.includes(field.name) && !changes.boundNames.some((name) => name.slice(1) === field.name))
        this.#set(changes, field, encodeNow(field))
    }
    return changes
  }

  #set({ setNames, sets }: Changes, field: Field, text: string): void {
    setNames.push(field.name)
    sets.push(text)
  }

  #change(changes: Changes, field: Field, value: Record<string, unknown>): void {
    const [name, operand] = single(value) ?? []
    if (name === 'set') {
      this.#set(changes, field, encode(this.#model, field, operand))
      return
    }
    if (name === 'max' || name === 'min') {
      changes.boundNames.push(MARKS[name] + field.name)
      changes.bounds.push(encodeBound(this.#model, field, operand))
      return
    }
    if (name !== 'increment' && name !== 'decrement') {
      throw new InvalidInputError(
        this.#model.name,
        field.name,
        'a value, { set }, { increment }, { decrement }, { max } or { min }',
        `{ ${Object.keys(value).join(', ')} }`,
      )
    }
    changes.incrementNames.push(field.name)
    changes.increments.push(encodeIncrement(this.#model, field, name === 'increment' ? operand : negate(operand)))
  }

  #insertedValue(field: Field, given: unknown): string {
    if (given !== undefined) return encode(this.#model, field, field.list && isPlainObject(given) && 'set' in given ? given.set : given)
    const value = this.#defaultValue(field)
    if (value === undefined)
      throw new InvalidInputError(this.#model.name, field.name, 'a value in create (the field has no default)', 'none')
    return value
  }

  #keyValue(name: string, position: number, given: unknown): string {
    if (given !== undefined) return this.#keys.encodePart(position, given)
    const field = this.#model.fields.find((each) => each.name === name) as Field
    const value = this.#defaultValue(field)
    if (value === undefined) throw new InvalidInputError(this.#model.name, name, 'a value in data (the field has no default)', 'none')
    return value
  }

  #defaultValue(field: Field): string | undefined {
    if (field.default?.kind === 'value') return field.default.value
    if (field.default?.kind === 'uuid') return uuid(field.default.version)
    if (field.default?.kind === 'now' || field.updatedAt) return encodeNow(field)
    return field.nullable ? NULL : undefined
  }

  /** What the inserted row has that does not follow from the changes: see Shape.bases. */
  #addBases(
    { setNames, sets, incrementNames, increments, boundNames, bounds }: Changes,
    create: Record<string, unknown>,
    names: string[],
    values: unknown[],
    row?: string[],
  ): void {
    for (const name in create) if (create[name] !== undefined && !this.#isKey(name)) this.#plainField(name)
    for (const field of this.#plain) {
      const inserted = this.#insertedValue(field, create[field.name])
      row?.push(inserted)
      const bound = boundNames.findIndex((name) => name.slice(1) === field.name)
      if (bound >= 0) this.#checkBound(field, inserted, boundNames[bound] as string, bounds[bound] as string)
      const set = setNames.indexOf(field.name)
      const increment = set < 0 ? incrementNames.indexOf(field.name) : -1
      const base =
        increment < 0 || inserted === NULL ? inserted : String(BigInt(inserted) - BigInt(increments[increment] as number | bigint))
      if (set < 0 ? isBase(field, base) : sets[set] !== inserted) {
        names.push(field.name)
        values.push(base)
      }
    }
  }

  /** An inserted row counts on like any other, and so cannot start beyond the bound that came with it. */
  #checkBound(field: Field, inserted: string, name: string, bound: string): void {
    const [pick, side] = name.startsWith(MARKS.max) ? [larger, 'least'] : [smaller, 'most']
    if (inserted !== NULL && pick(inserted, bound) === inserted) return
    const got = inserted === NULL ? 'null' : inserted
    throw new InvalidInputError(this.#model.name, field.name, `in create at ${side} what update sets as its bound (${bound})`, got)
  }

  /** The data; a key field may be in it, if it says what `where` says. */
  #given(data: unknown, argument: string, where: unknown, key: string): Record<string, unknown> {
    const { name: model, key: keyNames } = this.#model
    if (!isObject(data) || data instanceof Date)
      throw new InvalidInputError(model, undefined, `${argument} to be an object`, describe(data))
    const named = this.#keys.values(where)
    for (let position = 0; position < keyNames.length; position++) {
      const name = keyNames[position] as string
      const value = data[name]
      if (value === undefined || value === named[name]) continue
      if (this.#keys.encodePart(position, value) !== splitKey(key)[position])
        throw new InvalidInputError(model, name, `the key of where in ${argument} (a key cannot be changed)`, describe(value))
    }
    return data
  }

  #isKey(name: string): boolean {
    return this.#model.key.includes(name)
  }

  #plainField(name: string): Field {
    const field = this.#fields.get(name)
    if (field !== undefined) return field
    const got = this.#isKey(name) ? 'a key field' : 'an unknown field'
    throw new InvalidInputError(this.#model.name, name, `one of the fields ${this.#plain.map(nameOf).join(', ')}`, got)
  }

  #only(args: unknown, names: readonly string[]): void {
    if (!isObject(args)) throw new InvalidInputError(this.#model.name, undefined, `{ ${names.join(', ')} }`, describe(args))
    for (const name in args) {
      if (!names.includes(name)) throw new InvalidInputError(this.#model.name, undefined, `only ${names.join(', ')}`, name)
    }
  }
}

/** Whether an inserted value has to be said: it is not what the row would hold anyway. */
function isBase(field: Field, value: string): boolean {
  return value !== startOf(field)
}

/** The largest value that the column holds. */
function largestOf(field: Field): string {
  if (field.type === 'BigInt') return '9223372036854775807'
  return field.small ? '32767' : '2147483647'
}

function nameOf(field: Field): string {
  return field.name
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function single(value: Record<string, unknown>): [string, unknown] | undefined {
  const entries = Object.entries(value).filter(([, operand]) => operand !== undefined)
  return entries.length === 1 ? entries[0] : undefined
}

function negate(value: unknown): unknown {
  return typeof value === 'bigint' ? -value : typeof value === 'number' ? 0 - value : value
}
