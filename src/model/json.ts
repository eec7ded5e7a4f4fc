/** JSON as Prisma takes, sends and returns it. */
import { AnyNull, DbNull, Decimal, JsonNull, skip } from '@prisma/client/runtime/client'
import { isWritableDate } from './date.js'
import { writtenDecimal } from './decimal.js'

export type JsonValue = string | number | boolean | null | JsonValue[] | { [name: string]: JsonValue }
/** The same as Prisma's InputJsonValue. It has no null at the top, where a null would be ambiguous. */
export type InputJson =
  | string
  | number
  | boolean
  | readonly (InputJson | null)[]
  | { readonly [name: string]: InputJson | null | undefined }
  | { toJSON(): unknown }

const UNSTORABLE_ESCAPE = /^(?:0000|d[89a-f][0-9a-f]{2})$/

/**
 * Makes the text of a JSON value. Prisma refuses what JSON.stringify drops or makes null, sends bytes as base64, and takes the fields of any object
 * and of its prototype. Prisma's own null objects mean nothing inside of JSON.
 * @throws TypeError where Prisma refuses the value, or stores something else
 */
export function jsonText(value: unknown): string {
  if (value === JsonNull) return 'null'
  // Prisma sends a Decimal as a number if it is the whole value, and as a text if it is inside of one.
  const plain = Decimal.isDecimal(value) ? decimalIn(value).toNumber() : plainOf(value)
  return JSON.stringify(plain === undefined ? refuse() : plain)
}

/** Whether JSON escapes what the database cannot hold. It goes from escape to escape, because a regex of repeated backslashes has no end to its stack. */
export function isUnstorableJson(text: string): boolean {
  for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', at + 2)) {
    if (text[at + 1] === 'u' && UNSTORABLE_ESCAPE.test(text.slice(at + 2, at + 6))) return true
  }
  return false
}

/** `undefined`: a `toJSON` has returned nothing. */
function plainOf(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? listOf(value) : objectOf(value)
  return typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint' ? refuse() : value
}

/** The loop goes by index, because a hole in the list is no value, and the list may have methods of its own. */
function listOf(list: readonly unknown[]): unknown[] {
  const result: unknown[] = []
  for (let n = 0; n < list.length; n++) result.push(plainOf(list[n]) ?? (list[n] === null ? null : refuse()))
  return result
}

function objectOf(value: object): unknown {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (isWritableDate(value)) return value.toISOString()
  if (Decimal.isDecimal(value)) return decimalIn(value).toString()
  if (value === DbNull || value === JsonNull || value === AnyNull || value === skip || looksLikeDate(value)) return refuse()
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return plainOf(toJSON.call(value))
  const result: Record<string, unknown> = {}
  for (const name in value) {
    const plain = plainOf((value as Record<string, unknown>)[name])
    if (name === '__proto__') return refuse()
    if (plain !== undefined) result[name] = plain
  }
  return result
}

/** Whether it is a date of another kind, a date without a time, or only looks like a date. */
function looksLikeDate(value: object): boolean {
  return value instanceof Date || Object.prototype.toString.call(value) === '[object Date]'
}

function decimalIn(value: Decimal): Decimal {
  return new Decimal(writtenDecimal(value) ?? refuse())
}

function refuse(): never {
  throw new TypeError('not a JSON value')
}
