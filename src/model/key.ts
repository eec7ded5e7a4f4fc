/** A record's key as one string: the stored texts of the key fields, escaped and joined. Different keys have different strings, without `{` or `}`. */
import { AnyNull, DbNull, JsonNull } from '@prisma/client/runtime/client'
import { InvalidInputError } from '../errors.js'
import { encode } from './codec.js'
import { decimalOf } from './decimal.js'
import { describe } from './describe.js'
import type { Field, Model } from './model.js'

/** Characters that are escaped in a part of a key: separators, spaces and control characters. */
const ESCAPED = /[%:{} \p{Cc}]/u
const ESCAPES = Array.from({ length: 0xa0 }, (_, code) =>
  ESCAPED.test(String.fromCharCode(code)) ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : undefined,
)
/** Longest part of a key, in characters. An index of PostgreSQL holds fewer bytes, unless they compress well. */
const LONGEST_PART = 65_536
const IS_SPLIT = /[%:]/
const EMPTY = '%'
/** Objects that Prisma sends as values, although they have no fields. */
const NULLS: readonly unknown[] = [DbNull, JsonNull, AnyNull]

export function joinKey(texts: readonly string[]): string {
  return texts.map(escapePart).join(':')
}

/** Stored texts of the key fields, in the order of `model.key`. */
export function splitKey(key: string): string[] {
  if (!IS_SPLIT.test(key)) return [key]
  return key
    .split(':')
    .map((part) => (part === EMPTY ? '' : part.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))))
}

/** FNV-1a of the key. It is part of the stored format, because another function would move records between shards. */
export function shardOf(key: string, shards: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % shards
}

/** Turns the `where` of Prisma's unique calls into a key. */
export class KeyEncoder {
  readonly #model: Model
  readonly #fields: readonly Field[]

  constructor(model: Model) {
    this.#model = model
    this.#fields = model.key.map((name) => model.fields.find((field) => field.name === name) as Field)
  }

  /** @throws InvalidInputError unless `where` names exactly the key fields. */
  encode(where: unknown): string {
    const values = this.values(where)
    let named = 0
    for (const name in values) {
      if (values[name] === undefined) continue
      if (!this.#model.key.includes(name))
        throw new InvalidInputError(this.#model.name, name, `only the key (${this.#model.key.join(', ')}) in where`, describe(values[name]))
      named++
    }
    // Prisma does not see properties that are not enumerable.
    const listed = named === this.#fields.length ? values : readArguments(values)
    const [only] = this.#fields
    if (only !== undefined && this.#fields.length === 1) return escapePart(this.#encode(only, listed[only.name]))
    return joinKey(this.#fields.map((field) => this.#encode(field, listed[field.name])))
  }

  /** @throws InvalidInputError unless the key field at `position` can hold the value. */
  encodePart(position: number, value: unknown): string {
    return this.#encode(this.#fields[position] as Field, value)
  }

  /** Refuses a number that would be rounded, because its key would name another row. */
  #encode(field: Field, value: unknown): string {
    const text = encode(this.#model, field, value)
    if (text.length > LONGEST_PART) {
      const expected = `at most ${LONGEST_PART} characters in a key`
      throw new InvalidInputError(this.#model.name, field.name, expected, `${text.length} characters`)
    }
    if (field.type !== 'Decimal' || decimalOf(value)?.equals(text)) return text
    throw new InvalidInputError(this.#model.name, field.name, `at most ${field.scale} digits behind the point of a key`, String(value))
  }

  /** The values of the key fields, unchecked. */
  values(where: unknown): Record<string, unknown> {
    const { name, compoundKey } = this.#model
    if (!isArguments(where)) throw new InvalidInputError(name, undefined, 'where to be an object', describe(where))
    if (compoundKey === undefined) return where
    const values = where[compoundKey]
    if (Object.keys(where).length !== 1 || !isArguments(values)) {
      throw new InvalidInputError(name, undefined, `where to be { ${compoundKey}: { … } }`, `{ ${Object.keys(where).join(', ')} }`)
    }
    return values
  }
}

/** The key of a row that Prisma returned; undefined if a key field is left out of the row. */
export function keyOfRow(model: Model, row: unknown): string | undefined {
  if (!isObject(row) || model.key.some((name) => row[name] === undefined)) return undefined
  return joinKey(model.key.map((name) => encode(model, model.fields.find((field) => field.name === name) as Field, row[name])))
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether Prisma reads the object as named arguments, and neither as a value nor as what its `toJSON` returns. */
export function isArguments(value: unknown): value is Record<string, unknown> {
  if (!isObject(value) || value[Symbol.toStringTag as unknown as string] !== undefined || typeof value.toJSON === 'function') return false
  return value !== NULLS[0] && value !== NULLS[1] && value !== NULLS[2]
}

/** Reads arguments as Prisma does: the enumerable properties of the object and of its prototype, each once. */
export function readArguments(args: Record<string, unknown>): Record<string, unknown> {
  const read: Record<string, unknown> = Object.create(null)
  for (const name in args) read[name] = args[name]
  return read
}

/** A property of the object; undefined if it is only one that every object inherits, such as `constructor`. */
export function propertyOf(object: Record<string, unknown>, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(object, name) ? undefined : object[name]
}

function escapePart(text: string): string {
  if (text === '') return EMPTY
  if (!ESCAPED.test(text)) return text
  let escaped = ''
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const replacement = ESCAPES[text.charCodeAt(i)]
    if (replacement === undefined) continue
    escaped += text.slice(from, i) + replacement
    from = i + 1
  }
  return escaped + text.slice(from)
}
