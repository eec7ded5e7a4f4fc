/**
 * The table of scalar types, with everything that the library must know of each. The compiler refuses a type that lacks an entry here, or in the
 * tables of a dialect (database/postgresql/types.ts, generator/postgresql.ts).
 */
import { types } from 'node:util'
import { type DbNull, Decimal, JsonNull } from '@prisma/client/runtime/client'
import { encodeDateTime } from './date.js'
import { encodeDecimal } from './decimal.js'
import { invalid } from './describe.js'
import { type InputJson, isUnstorableJson, type JsonValue, jsonText } from './json.js'
import type { Field, Model, ScalarType } from './model.js'
import { encodeText } from './text.js'

/** `integer` can be incremented · `integer`, `fraction` and `time` can have a maximum and a minimum: their stored texts can be compared (bound.ts). */
export type Arithmetic = 'integer' | 'fraction' | 'time' | 'none'

/** The types in TypeScript: what a row has, and what a call takes. */
export interface ScalarTypes {
  String: { output: string; input: string; null: null; arithmetic: 'none' }
  Boolean: { output: boolean; input: boolean; null: null; arithmetic: 'none' }
  Int: { output: number; input: number; null: null; arithmetic: 'integer' }
  BigInt: { output: bigint; input: bigint | number; null: null; arithmetic: 'integer' }
  Float: { output: number; input: number; null: null; arithmetic: 'fraction' }
  Decimal: { output: Decimal; input: Decimal | number | string; null: null; arithmetic: 'fraction' }
  DateTime: { output: Date; input: Date | string; null: null; arithmetic: 'time' }
  Json: { output: JsonValue; input: InputJson | typeof JsonNull; null: typeof DbNull; arithmetic: 'none' }
  Bytes: { output: Uint8Array; input: Uint8Array; null: null; arithmetic: 'none' }
  /** Its members are the field's. */
  Enum: { output: never; input: never; null: null; arithmetic: 'none' }
}

/** A constant in `@default(…)`, as Prisma's DMMF gives it. */
type Constant = string | number | boolean

export interface Scalar {
  /** What error messages call a value. */
  readonly words: (field: Field) => string
  /**
   * Checks a value, and makes the stored text of it. Equal values have equal texts.
   * @throws InvalidInputError if the database could not hold the value
   */
  readonly encode: (model: Named, field: Field, value: unknown) => string
  /** Turns a stored text into the value that Prisma would return. */
  readonly decode: (field: Field, text: string) => unknown
  readonly arithmetic: Arithmetic
  readonly integer?: IntegerType
  /** Whether a key may have this type, because each value has only one text. */
  readonly canBeKey: boolean
  /** The value that a constant in the schema stands for, as a caller would give it. */
  readonly ofConstant: (constant: Constant) => unknown
  /** What the generator calls the values; of an enum it lists the members. */
  readonly typescript: string
  /** Whether that name has to be imported from this library. */
  readonly isImported?: boolean
}

type Named = Pick<Model, 'name'>

type Table = {
  readonly [T in ScalarType]: Scalar & {
    readonly arithmetic: ScalarTypes[T]['arithmetic']
  } & (ScalarTypes[T]['arithmetic'] extends 'integer' ? Required<Pick<Scalar, 'integer'>> : unknown)
}

interface IntegerType {
  readonly range: (field: Field) => IntegerRange
  /** Whether a call may give the value, as a value to set or as an amount. */
  readonly takes: (field: Field, value: unknown) => value is number | bigint
}

/** The integers from -limit to limit - 1. */
export interface IntegerRange {
  readonly limit: bigint
  readonly largest: string
  /** Characters: every integer that has no more fits, whatever its digits. */
  readonly safeLength: number
}

const INT16 = rangeOfBits(16)
const INT32 = rangeOfBits(32)
const INT64 = rangeOfBits(64)
const LIMIT16 = Number(INT16.limit)
const LIMIT32 = Number(INT32.limit)

export const SCALARS: Table = {
  String: {
    words: () => 'a string',
    encode: encodeText,
    decode: (_, text) => text,
    arithmetic: 'none',
    canBeKey: true,
    ofConstant: asItIs,
    typescript: 'string',
  },
  Boolean: {
    words: () => 'a boolean',
    encode: (model, field, value) => (typeof value === 'boolean' ? String(value) : refuse(model, field, value)),
    decode: (_, text) => text === 'true',
    arithmetic: 'none',
    canBeKey: true,
    ofConstant: asItIs,
    typescript: 'boolean',
  },
  Int: {
    words: ({ small }) => (small ? 'an integer of 16 bits' : 'an integer of 32 bits'),
    encode: (model, field, value) => (isInt(field, value) ? String(value + 0) : refuse(model, field, value)),
    decode: (_, text) => (text.includes('+') ? Number(decodeSum(text)) : Number(text)),
    arithmetic: 'integer',
    integer: { range: ({ small }) => (small ? INT16 : INT32), takes: isInt },
    canBeKey: true,
    ofConstant: asItIs,
    typescript: 'number',
  },
  BigInt: {
    words: () => 'a bigint of 64 bits, or a safe integer',
    encode: (model, field, value) => (isBigInt(field, value) ? String(value) : refuse(model, field, value)),
    decode: (_, text) => (text.includes('+') ? decodeSum(text) : BigInt(text)),
    arithmetic: 'integer',
    integer: { range: () => INT64, takes: isBigInt },
    canBeKey: true,
    ofConstant: BigInt,
    typescript: 'bigint',
  },
  Float: {
    words: () => 'a finite number',
    encode: (model, field, value) => (Number.isFinite(value) ? String(value) : refuse(model, field, value)),
    decode: (_, text) => Number(text),
    arithmetic: 'fraction',
    // The database may hold -0, and numbers that are none.
    canBeKey: false,
    ofConstant: asItIs,
    typescript: 'number',
  },
  Decimal: {
    words: () => 'a decimal',
    encode: encodeDecimal,
    decode: (_, text) => new Decimal(text),
    arithmetic: 'fraction',
    canBeKey: true,
    ofConstant: String,
    typescript: 'Decimal',
    isImported: true,
  },
  DateTime: {
    words: () => 'a date-time',
    encode: encodeDateTime,
    decode: (_, text) => new Date(text),
    arithmetic: 'time',
    canBeKey: true,
    ofConstant: asItIs,
    typescript: 'Date',
  },
  Json: {
    words: () => 'a JSON value',
    encode: encodeJson,
    decode: (_, text) => JSON.parse(text),
    arithmetic: 'none',
    canBeKey: false,
    ofConstant: (constant) => JSON.parse(String(constant)) ?? JsonNull,
    typescript: 'JsonValue',
    isImported: true,
  },
  Bytes: {
    words: () => 'a Uint8Array',
    encode: encodeBytes,
    decode: (_, text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
    arithmetic: 'none',
    canBeKey: false,
    ofConstant: (constant) => Buffer.from(String(constant), 'base64'),
    typescript: 'Uint8Array',
  },
  Enum: {
    words: (field) => `one of ${Object.keys(field.enum ?? {}).join(', ')}`,
    encode: encodeMember,
    decode: decodeMember,
    arithmetic: 'none',
    canBeKey: true,
    ofConstant: asItIs,
    typescript: '',
  },
}

/** Whether the field can be incremented. */
export function isCounter({ type, list }: Field): boolean {
  return !list && SCALARS[type].arithmetic === 'integer'
}

/** Whether the field can have a maximum and a minimum. */
export function isComparable({ type, list }: Field): boolean {
  return !list && SCALARS[type].arithmetic !== 'none'
}

/** The smallest and the largest value of a counter. */
export function rangeOf(field: Field): IntegerRange {
  return integerOf(field).range(field)
}

/** Whether a counter can be changed by the amount. */
export function isAmount(field: Field, value: unknown): value is number | bigint {
  return integerOf(field).takes(field, value)
}

/** The types that have some arithmetic, as an error message lists them: `Int or BigInt`. */
export function typesWith(...wanted: readonly Arithmetic[]): string {
  const names = Object.entries(SCALARS).flatMap(([type, { arithmetic }]) => (wanted.includes(arithmetic) ? [type] : []))
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

/** What error messages call a value of the field, or an element of its list. */
export function describeType(field: Field): string {
  return SCALARS[field.type].words(field)
}

export function isInt64(value: number | bigint): boolean {
  return value >= -INT64.limit && value < INT64.limit
}

/** If a number left 64 bits while its record was parked, it is stored as a sum of such numbers (park.lua). */
export function decodeSum(text: string): bigint {
  return text.split('+').reduce((total, term) => total + BigInt(term), 0n)
}

function isInt({ small }: Field, value: unknown): value is number {
  const limit = small ? LIMIT16 : LIMIT32
  return typeof value === 'number' && Number.isInteger(value) && value >= -limit && value < limit
}

function isBigInt(_: Field, value: unknown): value is number | bigint {
  return typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'bigint' && isInt64(value)
}

function integerOf({ type, name }: Field): IntegerType {
  const { integer } = SCALARS[type]
  if (integer === undefined) throw new TypeError(`${name} is no counter`)
  return integer
}

function rangeOfBits(bits: number): IntegerRange {
  const limit = 2n ** BigInt(bits - 1)
  const largest = String(limit - 1n)
  return { limit, largest, safeLength: largest.length - 1 }
}

function asItIs(constant: Constant): unknown {
  return constant
}

function refuse(model: Named, field: Field, value: unknown): never {
  throw invalid(model, field, describeType(field), value)
}

function encodeJson(model: Named, field: Field, value: unknown): string {
  let text: string
  try {
    text = jsonText(value)
  } catch {
    throw invalid(model, field, 'a JSON value', value)
  }
  if (isUnstorableJson(text)) throw invalid(model, field, 'JSON without NUL characters and lone surrogates', value)
  return text
}

function encodeBytes(model: Named, field: Field, value: unknown): string {
  if (!types.isUint8Array(value)) return refuse(model, field, value)
  return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
}

function encodeMember(model: Named, field: Field, value: unknown): string {
  const stored = typeof value === 'string' && Object.hasOwn(field.enum ?? {}, value) ? field.enum?.[value] : undefined
  return stored ?? refuse(model, field, value)
}

/** A member that this release does not know is left as it is in the database. */
function decodeMember(field: Field, text: string): string {
  return Object.entries(field.enum ?? {}).find(([, stored]) => stored === text)?.[0] ?? text
}
