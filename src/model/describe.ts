/** What error messages say of fields and values. */
import { Decimal } from '@prisma/client/runtime/client'
import { InvalidInputError } from '../errors.js'
import type { Field, Model } from './model.js'

/** @param described whether `got` is the description already */
export function invalid(model: Model, field: Field, expected: string, got: unknown, described = false): InvalidInputError {
  return new InvalidInputError(model.name, field.name, expected, described ? String(got) : describe(got))
}

export function describeType(field: Field): string {
  switch (field.type) {
    case 'Int':
      return field.small ? 'an integer of 16 bits' : 'an integer of 32 bits'
    case 'BigInt':
      return 'a bigint of 64 bits, or a safe integer'
    case 'Float':
      return 'a finite number'
    case 'String':
      return 'a string'
    case 'Boolean':
      return 'a boolean'
    case 'Decimal':
      return 'a decimal'
    case 'DateTime':
      return 'a date-time'
    case 'Json':
      return 'a JSON value'
    case 'Bytes':
      return 'a Uint8Array'
    case 'Enum':
      return `one of ${Object.keys(field.enum ?? {}).join(', ')}`
  }
}

/** Values are described, not quoted at length: an error message may end up in a log. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a function' : String(value)
  try {
    return describeObject(value)
  } catch {
    return 'an object'
  }
}

/** What the object says of itself, which may throw, and need not be true. */
function describeObject(value: object): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `the Date ${value.toISOString()}`
  if (Decimal.isDecimal(value)) return `the Decimal ${value}`
  return `${/^[aeiou]/i.test(value.constructor?.name ?? 'object') ? 'an' : 'a'} ${value.constructor?.name ?? 'object'}`
}
