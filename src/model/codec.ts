/**
 * The stored text of a value: what Redis holds, and what the statement casts to the column's type. One text per value, so that
 * equal values have equal texts (keys depend on it). A null is one NUL character, which no PostgreSQL text can contain.
 */
import { types } from 'node:util'
import { DbNull, Decimal } from '@prisma/client/runtime/client'
import { InvalidInputError } from '../errors.js'
import { isWritableDate } from './date.js'
import { decimalOf } from './decimal.js'
import { describeType, invalid } from './describe.js'
import { jsonText } from './json.js'
import type { Field, Model } from './model.js'

export const NULL = '\0'

const INT32 = 2 ** 31
const INT16 = 2 ** 15
const INT64 = 2n ** 63n
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
/** As strict as Prisma: seconds, an hour below 24, a colon in the offset. */
const ISO_DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
/** NUL, or a surrogate, which may be a lone one. */
const SUSPECT = /[\0\ud800-\udfff]/
const LONE_SURROGATE = /\p{Surrogate}/u
const UNSTORABLE_ESCAPE = /^(?:0000|d[89a-f][0-9a-f]{2})$/
/** Types whose stored texts compare as their values do: see bound.ts. */
const COMPARABLE: ReadonlySet<Field['type']> = new Set(['Int', 'BigInt', 'Float', 'Decimal', 'DateTime'])
const DEFAULT_PRECISION = 65
const DEFAULT_SCALE = 30

/** @throws InvalidInputError if the database could not hold `value` in this field. */
export function encode(model: Model, field: Field, value: unknown): string {
  if (value === null || (value === DbNull && field.type === 'Json')) return encodeNull(model, field, value)
  try {
    return encodeElements(model, field, value, encodeScalar)
  } catch (error) {
    // What only looks like a value may throw anything when it is looked at.
    throw error instanceof InvalidInputError ? error : invalid(model, field, describeType(field), value)
  }
}

/** The value that Prisma would return for the stored text. */
export function decode(field: Field, text: string): unknown {
  if (text === NULL) return field.list ? [] : null
  if (field.list) return (JSON.parse(text) as string[]).map((element) => decodeScalar(field, element))
  return decodeScalar(field, text)
}

/** Whether a stored text is one that the field's enum has, as this release knows it: a newer one may have written others. */
export function isMember(field: Field, text: string): boolean {
  if (text === NULL) return true
  const known = Object.values(field.enum ?? {})
  return field.list ? (JSON.parse(text) as string[]).every((element) => known.includes(element)) : known.includes(text)
}

/** Stored text of a value that the database returned; enums arrive under their database name. */
export function encodeStored(model: Model, field: Field, value: unknown): string {
  if (value === null) return field.type === 'Json' && !field.nullable && !field.list ? 'null' : NULL
  if (field.type === 'Enum') return field.list ? JSON.stringify(elementsOf(String(value))) : String(value)
  if (field.type === 'Json' && !field.list) return JSON.stringify(value)
  const { maxLength: _, ...unlimited } = field
  return encodeElements(model, unlimited, value, encodeStoredScalar)
}

/** A number that is there may be none, or infinite, which no call can make it. */
function encodeStoredScalar(model: Model, field: Field, value: unknown): string {
  const isSpecial = typeof value === 'number' ? !Number.isFinite(value) : Decimal.isDecimal(value) && !value.isFinite()
  if (isSpecial && (field.type === 'Float' || field.type === 'Decimal')) return String(value)
  return encodeScalar(model, field, value)
}

/** The elements of an array that the driver gives as its text, since it does not know the type: enums are such. */
function elementsOf(array: string): string[] {
  return Array.from(array.matchAll(/"((?:[^"\\]|\\.)*)"|[^{},"]+/g), ([plain, quoted]) => quoted?.replace(/\\(.)/g, '$1') ?? plain)
}

/** An increment as a safe integer, or as a bigint where a number would not be exact. */
export function encodeIncrement(model: Model, field: Field, value: unknown): number | bigint {
  requireCounter(model, field)
  if (typeof value === 'number' && (field.type === 'Int' ? isInt(field, value) : Number.isSafeInteger(value))) return value + 0
  if (typeof value !== 'bigint' || field.type === 'Int' || !isInt64(value)) throw invalid(model, field, describeType(field), value)
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** The increment that a decrement is. */
export function encodeDecrement(model: Model, field: Field, value: unknown): number | bigint {
  return encodeIncrement(model, field, typeof value === 'bigint' ? -value : typeof value === 'number' ? 0 - value : value)
}

/** @throws InvalidInputError unless the field can be incremented */
export function requireCounter(model: Model, field: Field): void {
  if (!field.list && (field.type === 'Int' || field.type === 'BigInt')) return
  const isFraction = !field.list && (field.type === 'Decimal' || field.type === 'Float')
  const advice = isFraction ? ' (count in whole units, as cents are, or set the value)' : ''
  const expected = `a field of type Int or BigInt to increment${advice}`
  throw invalid(model, field, expected, `${describeType(field)}${field.list ? '[]' : ''}`, true)
}

/** A maximum or a minimum. */
export function encodeBound(model: Model, field: Field, value: unknown): string {
  requireComparable(model, field)
  return encodeScalar(model, field, value)
}

/** @throws InvalidInputError unless the field can have a maximum and a minimum */
export function requireComparable(model: Model, field: Field): void {
  if (field.list || !COMPARABLE.has(field.type)) {
    const got = `${describeType(field)}${field.list ? '[]' : ''}`
    throw invalid(model, field, 'a field of type Int, BigInt, Float, Decimal or DateTime for max and min', got, true)
  }
}

/** The moment of a call, which is one for all fields that it fills in, as with Prisma. Formatted once a millisecond. */
export function encodeNow(field: Field, now: number): string {
  if (now !== lastMoment) {
    lastMoment = now
    lastMomentText = new Date(now).toISOString()
  }
  return field.dateOnly ? lastMomentText.slice(0, 10) : lastMomentText
}

let lastMoment = Number.NaN
let lastMomentText = ''

export function isInt64(value: number | bigint): boolean {
  return value >= -INT64 && value < INT64
}

function isInt(field: Field, value: unknown): value is number {
  const limit = field.small ? INT16 : INT32
  return typeof value === 'number' && Number.isInteger(value) && value >= -limit && value < limit
}

function encodeNull(model: Model, field: Field, value: unknown): string {
  if (field.type === 'Json' && value === null) throw invalid(model, field, 'Prisma.JsonNull or Prisma.DbNull instead of null', value)
  if (!field.nullable || field.list) throw invalid(model, field, describeType(field), value)
  return NULL
}

function encodeElements(model: Model, field: Field, value: unknown, encodeElement: typeof encodeScalar): string {
  if (!field.list) return encodeElement(model, field, value)
  if (!Array.isArray(value)) throw invalid(model, field, `a list of ${describeType(field)}`, value)
  // By index: holes are no values, and the list may have methods of its own.
  const texts: string[] = []
  for (let n = 0; n < value.length; n++) texts.push(encodeElement(model, field, value[n]))
  return JSON.stringify(texts)
}

function encodeScalar(model: Model, field: Field, value: unknown): string {
  switch (field.type) {
    case 'String':
      return encodeString(model, field, value)
    case 'Boolean':
      if (typeof value !== 'boolean') break
      return String(value)
    case 'Int':
      if (!isInt(field, value)) break
      return String(value + 0)
    case 'BigInt':
      if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint' || !isInt64(value)) break
      return String(value)
    case 'Float':
      if (typeof value !== 'number' || !Number.isFinite(value)) break
      return String(value)
    case 'Decimal':
      return encodeDecimal(model, field, value)
    case 'DateTime':
      return encodeDateTime(model, field, value)
    case 'Json':
      return encodeJson(model, field, value)
    case 'Bytes':
      if (!types.isUint8Array(value)) break
      return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
    case 'Enum': {
      const stored = typeof value === 'string' && Object.hasOwn(field.enum ?? {}, value) ? field.enum?.[value] : undefined
      if (stored === undefined) break
      return stored
    }
  }
  throw invalid(model, field, describeType(field), value)
}

function encodeString(model: Model, field: Field, value: unknown): string {
  if (typeof value !== 'string') throw invalid(model, field, describeType(field), value)
  if (field.sqlType === 'uuid') {
    if (!UUID.test(value)) throw invalid(model, field, 'a UUID', value)
    const hex = value.toLowerCase().replaceAll('-', '')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }
  if (SUSPECT.test(value)) {
    if (value.includes(NULL)) throw invalid(model, field, 'text without the NUL character', value)
    if (LONE_SURROGATE.test(value)) throw invalid(model, field, 'well-formed Unicode text', value)
  }
  if (field.maxLength !== undefined && value.length > field.maxLength) {
    const length = countCharacters(value)
    if (length > field.maxLength) throw invalid(model, field, `at most ${field.maxLength} characters`, `${length} characters`, true)
  }
  return value
}

/** PostgreSQL's: a pair of surrogates is one. */
function countCharacters(text: string): number {
  let count = 0
  for (let n = 0; n < text.length; n++) if ((text.charCodeAt(n) & 0xfc00) !== 0xdc00) count++
  return count
}

function encodeDecimal(model: Model, field: Field, value: unknown): string {
  const precision = field.precision ?? DEFAULT_PRECISION
  const scale = field.scale ?? DEFAULT_SCALE
  const rounded = decimalOf(value)?.toDecimalPlaces(scale, Decimal.ROUND_HALF_UP)
  if (rounded === undefined || (!rounded.isZero() && rounded.e >= precision - scale))
    throw invalid(model, field, `a finite decimal of at most ${precision - scale} digits before the point`, value)
  return rounded.isZero() ? '0' : rounded.toFixed()
}

function encodeDateTime(model: Model, field: Field, value: unknown): string {
  const date = typeof value === 'string' && isDateTime(value) ? new Date(value) : value
  if (!isWritableDate(date)) throw invalid(model, field, 'a Date or an ISO 8601 date-time between the years 1 and 9999', value)
  const text = date.toISOString()
  return field.dateOnly ? text.slice(0, 10) : text
}

/** `new Date` takes 31 February for 2 March. */
function isDateTime(text: string): boolean {
  const [, year, month, day] = ISO_DATE_TIME.exec(text) ?? []
  return day !== undefined && Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
}

function encodeJson(model: Model, field: Field, value: unknown): string {
  let text: string
  try {
    text = jsonText(value)
  } catch {
    throw invalid(model, field, 'a JSON value', value)
  }
  if (isUnstorable(text)) throw invalid(model, field, 'JSON without NUL characters and lone surrogates', value)
  return text
}

/** Whether JSON escapes what the database cannot hold. It goes from escape to escape: a regex of repeated backslashes has no end to its stack. */
function isUnstorable(text: string): boolean {
  for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', at + 2)) {
    if (text[at + 1] === 'u' && UNSTORABLE_ESCAPE.test(text.slice(at + 2, at + 6))) return true
  }
  return false
}

function decodeScalar(field: Field, text: string): unknown {
  switch (field.type) {
    case 'String':
      return text
    case 'Boolean':
      return text === 'true'
    case 'Int':
      return Number(text.includes('+') ? decodeSum(text) : text)
    case 'Float':
      return Number(text)
    case 'BigInt':
      return text.includes('+') ? decodeSum(text) : BigInt(text)
    case 'Decimal':
      return new Decimal(text)
    case 'DateTime':
      return new Date(text)
    case 'Json':
      return JSON.parse(text)
    case 'Bytes':
      return new Uint8Array(Buffer.from(text.slice(2), 'hex'))
    case 'Enum':
      return Object.entries(field.enum ?? {}).find(([, stored]) => stored === text)?.[0] ?? text
  }
}

/** A number that left 64 bits while its record was parked is kept as the sum that it is (park.lua). */
export function decodeSum(text: string): bigint {
  return text.split('+').reduce((total, term) => total + BigInt(term), 0n)
}
