/** JSON as Prisma sends it. */
import { AnyNull, DbNull, Decimal, JsonNull, skip } from '@prisma/client/runtime/client'
import { isWritableDate } from './date.js'
import { writtenDecimal } from './decimal.js'

/**
 * The text of a JSON value. Prisma refuses what JSON.stringify drops or makes null, sends bytes as base64, and takes the fields of any object, its
 * prototype's too. Its own null objects mean nothing inside of JSON.
 * @throws TypeError where Prisma refuses the value, or stores something else
 */
export function jsonText(value: unknown): string {
  if (value === JsonNull) return 'null'
  // A Decimal that is the whole value is sent as a number, and one inside of it as a text.
  const plain = Decimal.isDecimal(value) ? decimalIn(value).toNumber() : plainOf(value)
  return JSON.stringify(plain === undefined ? refuse() : plain)
}

/** `undefined`: a `toJSON` says that there is nothing. */
function plainOf(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? listOf(value) : objectOf(value)
  return typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint' ? refuse() : value
}

/** By index: a list's holes are no values, and its own methods do not count. */
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

/** A date of another kind, one without a time, or what only looks like one. */
function looksLikeDate(value: object): boolean {
  return value instanceof Date || Object.prototype.toString.call(value) === '[object Date]'
}

function decimalIn(value: Decimal): Decimal {
  return new Decimal(writtenDecimal(value) ?? refuse())
}

function refuse(): never {
  throw new TypeError('not a JSON value')
}
