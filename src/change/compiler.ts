import { InvalidInputError } from '../errors.js'
import { encode, encodeBound, encodeDecrement, encodeIncrement, encodeNow, NULL } from '../model/codec.js'
import { describe } from '../model/describe.js'
import { defaultValue, Fields, whyNoDefault } from '../model/fields.js'
import { isArguments, joinKey, KeyEncoder, propertyOf, readArguments, splitKey } from '../model/key.js'
import type { Field, Model } from '../model/model.js'
import { isCounter, rangeOf } from '../model/scalars.js'
import { larger, smaller } from './bound.js'
import { startOf } from './change.js'
import { FieldsCall, type FieldsCallName } from './fields-call.js'
import { BOUND_MARKS, type Condition, type Operation, Shapes } from './operation.js'

interface Changes {
  readonly setNames: string[]
  readonly sets: string[]
  readonly incrementNames: string[]
  readonly increments: (number | bigint)[]
  /** The names with their marks. */
  readonly boundNames: string[]
  readonly bounds: string[]
}

const NO_NAMES: readonly string[] = []

/**
 * Checks the arguments of a call against its model and turns them into an operation. Nothing invalid gets past it. It runs for every
 * write, so it uses parallel arrays instead of maps, and keeps plans instead of repeating work.
 */
export class Compiler {
  readonly #model: Model
  readonly #keys: KeyEncoder
  readonly #fields: Fields
  readonly #shapes: Shapes
  /** Whether `{ max }` and `{ min }` are allowed besides the forms of Prisma. */
  readonly #takesBounds: boolean
  readonly #calls: Readonly<Record<FieldsCallName, FieldsCall>>

  constructor(model: Model, { bounds = true }: { bounds?: boolean } = {}) {
    this.#model = model
    this.#keys = new KeyEncoder(model)
    this.#fields = new Fields(model)
    this.#shapes = new Shapes(this.#fields.plain.filter(isCounter).map((field) => [field.name, rangeOf(field).largest]))
    this.#takesBounds = bounds
    const call = (name: FieldsCallName) => new FieldsCall(name, model, this.#fields, this.#shapes)
    this.#calls = { set: call('set'), increment: call('increment'), decrement: call('decrement'), max: call('max'), min: call('min') }
  }

  key(where: unknown): string {
    return this.#keys.encode(where)
  }

  /** @param row gets the stored texts of the whole row to insert */
  upsert(args: { where: unknown; create: unknown; update: unknown }, row?: string[]): Operation {
    this.#only(args, ['where', 'create', 'update'])
    const key = this.key(args.where)
    const now = Date.now()
    const changes = this.#changes(this.#given(args.update, 'update', args.where, key), now)
    const baseNames: string[] = []
    const values: (string | number | bigint)[] = changes.increments.length === 0 ? changes.sets : [...changes.sets, ...changes.increments]
    this.#addBases(changes, this.#given(args.create, 'create', args.where, key), now, baseNames, values, row)
    values.push(...changes.bounds)
    const shape = this.#shapes.intern('upsert', changes.setNames, changes.incrementNames, baseNames, changes.boundNames)
    return { key, shape, values }
  }

  /** @returns `undefined` if the call changes nothing */
  update(args: { where: unknown; data: unknown }): Operation | undefined {
    this.#only(args, ['where', 'data'])
    const key = this.key(args.where)
    const changes = this.#changes(this.#given(args.data, 'data', args.where, key), Date.now())
    const { setNames, sets, incrementNames, increments, boundNames, bounds } = changes
    if (sets.length + increments.length + bounds.length === 0) return undefined
    const shape = this.#shapes.intern('update', setNames, incrementNames, NO_NAMES, boundNames)
    return { key, shape, values: [...sets, ...increments, ...bounds] }
  }

  /** Sets every field. The key comes from the data, or from its defaults. */
  create(args: { data: unknown }): Operation {
    this.#only(args, ['data'])
    const data = this.#arguments(args.data, 'data')
    const now = Date.now()
    const key = joinKey(this.#model.key.map((name, position) => this.#keyValue(name, position, propertyOf(data, name), now)))
    for (const name in data) if (data[name] !== undefined && !this.#model.key.includes(name)) this.#fields.get(name)
    const values = this.#fields.plain.map((field) => this.#insertedValue(field, propertyOf(data, field.name), now))
    return { key, shape: this.#shapes.intern('create', this.#fields.names, NO_NAMES, NO_NAMES), values }
  }

  /** Returns the same operation with a condition: it is carried out only if the cached row fulfils the condition, and its answer is the row. */
  conditional({ key, shape, values }: Operation, condition: Condition, row: readonly string[] = NO_NAMES): Operation {
    return { key, shape: this.#shapes.conditional(shape, condition, this.#fields.names), values: [...values, ...row] }
  }

  delete(args: { where: unknown }): Operation {
    this.#only(args, ['where'])
    return { key: this.key(args.where), shape: this.#shapes.intern('delete', NO_NAMES, NO_NAMES, NO_NAMES), values: [] }
  }

  /** An upsert whose inserted row has the defaults plus the amounts. */
  increment(where: unknown, amounts: unknown): Operation {
    return this.#calls.increment.compile(this.key(where), amounts)
  }

  decrement(where: unknown, amounts: unknown): Operation {
    return this.#calls.decrement.compile(this.key(where), amounts)
  }

  /** An upsert whose inserted row has the values, and the defaults in the other fields. `max` and `min` make the same row. */
  set(where: unknown, values: unknown): Operation {
    return this.#calls.set.compile(this.key(where), values)
  }

  max(where: unknown, values: unknown): Operation {
    return this.#calls.max.compile(this.key(where), values)
  }

  min(where: unknown, values: unknown): Operation {
    return this.#calls.min.compile(this.key(where), values)
  }

  #changes(given: Record<string, unknown>, now: number): Changes {
    const changes: Changes = { setNames: [], sets: [], incrementNames: [], increments: [], boundNames: [], bounds: [] }
    let isEmpty = true
    for (const name in given) {
      const value = given[name]
      if (value === undefined) continue
      isEmpty = false
      if (this.#fields.isKey(name)) continue
      const field = this.#fields.get(name)
      if ((field.list || field.type !== 'Json') && isPlainObject(value)) this.#change(changes, field, value)
      else this.#set(changes, field, encode(this.#model, field, value))
    }
    // Like Prisma: an update that names no field does not touch @updatedAt, but one that sets the key to the same value does.
    if (isEmpty) return changes
    for (const field of this.#fields.updatedAt) {
      if (!changes.setNames.includes(field.name) && !changes.boundNames.some((name) => name.slice(1) === field.name))
        this.#set(changes, field, encodeNow(field, now))
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
    if (this.#takesBounds && (name === 'max' || name === 'min')) {
      changes.boundNames.push(BOUND_MARKS[name] + field.name)
      changes.bounds.push(encodeBound(this.#model, field, operand))
      return
    }
    if (name !== 'increment' && name !== 'decrement') {
      throw new InvalidInputError(
        this.#model.name,
        field.name,
        `a value, { set }, { increment }${this.#takesBounds ? ', { decrement }, { max } or { min }' : ' or { decrement }'}`,
        `{ ${Object.keys(value).join(', ')} }`,
      )
    }
    changes.incrementNames.push(field.name)
    const encodeAmount = name === 'increment' ? encodeIncrement : encodeDecrement
    changes.increments.push(encodeAmount(this.#model, field, operand))
  }

  #insertedValue(field: Field, given: unknown, now: number): string {
    if (given !== undefined) return encode(this.#model, field, field.list && isPlainObject(given) && 'set' in given ? given.set : given)
    const value = defaultValue(field, now)
    if (value === undefined) throw new InvalidInputError(this.#model.name, field.name, `a value in create (${whyNoDefault(field)})`, 'none')
    return value
  }

  #keyValue(name: string, position: number, given: unknown, now: number): string {
    if (given !== undefined) return this.#keys.encodePart(position, given)
    const field = this.#model.fields.find((each) => each.name === name) as Field
    const value = defaultValue(field, now)
    if (value === undefined) throw new InvalidInputError(this.#model.name, name, `a value in data (${whyNoDefault(field)})`, 'none')
    return value
  }

  /** The inserted values that do not follow from the changes (Shape.bases). */
  #addBases(
    { setNames, sets, incrementNames, increments, boundNames, bounds }: Changes,
    create: Record<string, unknown>,
    now: number,
    names: string[],
    values: unknown[],
    row?: string[],
  ): void {
    for (const name in create) if (create[name] !== undefined && !this.#fields.isKey(name)) this.#fields.get(name)
    for (const field of this.#fields.plain) {
      const inserted = this.#insertedValue(field, propertyOf(create, field.name), now)
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

  /** Later increments change the inserted row, too, so its value must not lie beyond the bound of the same call. */
  #checkBound(field: Field, inserted: string, name: string, bound: string): void {
    const [pick, side] = name.startsWith(BOUND_MARKS.max) ? [larger, 'least'] : [smaller, 'most']
    if (inserted !== NULL && pick(inserted, bound) === inserted) return
    const got = inserted === NULL ? 'null' : inserted
    throw new InvalidInputError(this.#model.name, field.name, `in create at ${side} what update sets as its bound (${bound})`, got)
  }

  /** The data. It may contain a key field with the same value as `where`. */
  #given(given: unknown, argument: string, where: unknown, key: string): Record<string, unknown> {
    const { name: model, key: keyNames } = this.#model
    const data = this.#arguments(given, argument)
    const named = this.#keys.values(where)
    for (let position = 0; position < keyNames.length; position++) {
      const name = keyNames[position] as string
      const value = propertyOf(data, name)
      if (value === undefined || value === named[name]) continue
      if (this.#keys.encodePart(position, value) !== splitKey(key)[position])
        throw new InvalidInputError(model, name, `the key of where in ${argument} (a key cannot be changed)`, describe(value))
    }
    return data
  }

  #arguments(given: unknown, argument: string): Record<string, unknown> {
    if (isArguments(given)) return readArguments(given)
    throw new InvalidInputError(this.#model.name, undefined, `${argument} to be an object`, describe(given))
  }

  #only(args: unknown, names: readonly string[]): void {
    if (!isArguments(args)) throw new InvalidInputError(this.#model.name, undefined, `{ ${names.join(', ')} }`, describe(args))
    for (const name in args) {
      if (!names.includes(name)) throw new InvalidInputError(this.#model.name, undefined, `only ${names.join(', ')}`, name)
    }
  }
}

/** Whether an inserted value must be stored, because it is not the value that the row would have anyway. */
function isBase(field: Field, value: string): boolean {
  return value !== startOf(field)
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (!isArguments(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function single(value: Record<string, unknown>): [string, unknown] | undefined {
  const entries = Object.entries(value).filter(([, operand]) => operand !== undefined)
  return entries.length === 1 ? entries[0] : undefined
}
