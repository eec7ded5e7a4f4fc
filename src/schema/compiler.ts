import { InvalidInputError } from '../errors.js'
import { isCounter, startOf } from './change.js'
import { describe, encode, encodeIncrement, NULL } from './codec.js'
import { isObject, KeyEncoder, splitKey } from './key.js'
import type { Field, Model } from './model.js'
import { type Operation, Shapes } from './operation.js'
import { uuid } from './uuid.js'

interface Changes {
  readonly sets: Map<string, string>
  readonly increments: Map<string, number | bigint>
}

/** Checks the arguments of a call against its model and turns them into an operation. Nothing invalid gets past it. */
export class Compiler {
  readonly #model: Model
  readonly #keys: KeyEncoder
  readonly #fields: ReadonlyMap<string, Field>
  readonly #plain: readonly Field[]
  readonly #updatedAt: readonly Field[]
  readonly #shapes = new Shapes()

  constructor(model: Model) {
    this.#model = model
    this.#keys = new KeyEncoder(model)
    this.#fields = new Map(model.fields.map((field) => [field.name, field]))
    this.#plain = model.fields.filter((field) => !model.key.includes(field.name))
    this.#updatedAt = this.#plain.filter((field) => field.updatedAt)
  }

  key(where: unknown): string {
    return this.#keys.encode(where)
  }

  upsert(args: { where: unknown; create: unknown; update: unknown }): Operation {
    this.#only(args, ['where', 'create', 'update'])
    const key = this.key(args.where)
    const changes = this.#changes(args.update, 'update', key)
    return this.#operation(key, 'upsert', changes, this.#bases(changes, this.#inserted(args.create, key)))
  }

  /** `undefined`: the call changes nothing. */
  update(args: { where: unknown; data: unknown }): Operation | undefined {
    this.#only(args, ['where', 'data'])
    const key = this.key(args.where)
    const changes = this.#changes(args.data, 'data', key)
    return changes.sets.size + changes.increments.size === 0 ? undefined : this.#operation(key, 'update', changes, new Map())
  }

  delete(args: { where: unknown }): Operation {
    this.#only(args, ['where'])
    return { key: this.key(args.where), shape: this.#shapes.intern('delete', [], [], []), values: [] }
  }

  /** An upsert whose inserted row holds the defaults, and the amounts on top of them. */
  increment(where: unknown, amounts: unknown): Operation {
    const key = this.key(where)
    if (!isObject(amounts)) throw new InvalidInputError(this.#model.name, undefined, 'the amounts to be an object', describe(amounts))
    const changes: Changes = { sets: new Map(), increments: new Map() }
    for (const [name, amount] of Object.entries(amounts)) {
      if (amount === undefined) continue
      const field = this.#plainField(name)
      changes.increments.set(name, encodeIncrement(this.#model, field, amount))
    }
    if (changes.increments.size === 0) throw new InvalidInputError(this.#model.name, undefined, 'at least one field to increment', 'none')
    this.#touch(changes)
    return this.#operation(key, 'upsert', changes, this.#startingValues(changes))
  }

  #operation(key: string, kind: 'upsert' | 'update', { sets, increments }: Changes, bases: Map<string, string>): Operation {
    const shape = this.#shapes.intern(kind, [...sets.keys()], [...increments.keys()], [...bases.keys()])
    return { key, shape, values: [...sets.values(), ...increments.values(), ...bases.values()] }
  }

  #changes(data: unknown, argument: string, key: string): Changes {
    const changes: Changes = { sets: new Map(), increments: new Map() }
    for (const [name, value] of this.#entries(data, argument, key)) {
      const field = this.#plainField(name)
      if (isPlainObject(value) && field.type !== 'Json') this.#change(changes, field, value)
      else changes.sets.set(name, encode(this.#model, field, value))
    }
    this.#touch(changes)
    return changes
  }

  #change({ sets, increments }: Changes, field: Field, value: Record<string, unknown>): void {
    const [name, operand] = single(value) ?? []
    if (name === 'set') sets.set(field.name, encode(this.#model, field, operand))
    else if (name === 'increment') increments.set(field.name, encodeIncrement(this.#model, field, operand))
    else if (name === 'decrement') increments.set(field.name, encodeIncrement(this.#model, field, negate(operand)))
    else
      throw new InvalidInputError(
        this.#model.name,
        field.name,
        'a value, { set }, { increment } or { decrement }',
        `{ ${Object.keys(value).join(', ')} }`,
      )
  }

  #touch({ sets, increments }: Changes): void {
    for (const field of this.#updatedAt) {
      if (!sets.has(field.name) && !increments.has(field.name)) sets.set(field.name, encode(this.#model, field, new Date()))
    }
  }

  /** The whole row that `create` inserts, but for the key. */
  #inserted(create: unknown, key: string): Map<string, string> {
    const given = new Map(this.#entries(create, 'create', key))
    for (const name of given.keys()) this.#plainField(name)
    return new Map(this.#plain.map((field) => [field.name, this.#insertedValue(field, given.get(field.name))]))
  }

  #insertedValue(field: Field, given: unknown): string {
    if (given !== undefined) return encode(this.#model, field, field.list && isPlainObject(given) && 'set' in given ? given.set : given)
    const value = this.#defaultValue(field)
    if (value === undefined)
      throw new InvalidInputError(this.#model.name, field.name, 'a value in create (the field has no default)', 'none')
    return value
  }

  #defaultValue(field: Field): string | undefined {
    if (field.default?.kind === 'value') return field.default.value
    if (field.default?.kind === 'uuid') return uuid(field.default.version)
    if (field.default?.kind === 'now' || field.updatedAt) return encode(this.#model, field, new Date())
    return field.nullable ? NULL : undefined
  }

  /** What `inserted` has that does not follow from the changes: see Shape.bases. */
  #bases({ sets, increments }: Changes, inserted: Map<string, string>): Map<string, string> {
    const bases = new Map<string, string>()
    for (const field of this.#plain) {
      const value = inserted.get(field.name) as string
      const set = sets.get(field.name)
      const increment = increments.get(field.name)
      const base = increment === undefined || value === NULL ? value : String(BigInt(value) - BigInt(increment))
      if (set === undefined ? base !== startOf(field) || (base === NULL && isCounter(field)) : set !== value) bases.set(field.name, base)
    }
    return bases
  }

  #startingValues({ sets, increments }: Changes): Map<string, string> {
    const bases = new Map<string, string>()
    for (const field of this.#plain) {
      if (sets.has(field.name) || increments.has(field.name)) continue
      const value = this.#defaultValue(field)
      if (value === undefined) {
        throw new InvalidInputError(
          this.#model.name,
          field.name,
          'a default, as increment inserts the row when it is missing (use upsert)',
          'none',
        )
      }
      if (value !== startOf(field) || (value === NULL && isCounter(field))) bases.set(field.name, value)
    }
    return bases
  }

  /** Entries that are not undefined and not the key; a key field may be there, if it says what `where` says. */
  #entries(data: unknown, argument: string, key: string): [string, unknown][] {
    if (!isObject(data)) throw new InvalidInputError(this.#model.name, undefined, `${argument} to be an object`, describe(data))
    const keyTexts = splitKey(key)
    return Object.entries(data).filter(([name, value]) => {
      if (value === undefined) return false
      const position = this.#model.key.indexOf(name)
      if (position < 0) return true
      if (encode(this.#model, this.#fields.get(name) as Field, value) !== keyTexts[position]) {
        throw new InvalidInputError(this.#model.name, name, `the key of where in ${argument} (a key cannot be changed)`, describe(value))
      }
      return false
    })
  }

  #plainField(name: string): Field {
    const field = this.#fields.get(name)
    if (field === undefined || this.#model.key.includes(name)) {
      throw new InvalidInputError(
        this.#model.name,
        name,
        `one of the fields ${this.#plain.map((each) => each.name).join(', ')}`,
        field ? 'a key field' : 'an unknown field',
      )
    }
    return field
  }

  #only(args: unknown, names: readonly string[]): void {
    if (!isObject(args)) throw new InvalidInputError(this.#model.name, undefined, `{ ${names.join(', ')} }`, describe(args))
    for (const name of Object.keys(args)) {
      if (!names.includes(name)) throw new InvalidInputError(this.#model.name, undefined, `only ${names.join(', ')}`, name)
    }
  }
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
