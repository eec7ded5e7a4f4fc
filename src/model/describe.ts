/** Describes fields and values in error messages. */
import { Decimal } from '@prisma/client/runtime/client'
import { InvalidInputError } from '../errors.js'
import type { Field, Model } from './model.js'

/** @param described whether `got` is a description already */
export function invalid(model: Pick<Model, 'name'>, field: Field, expected: string, got: unknown, described = false): InvalidInputError {
  return new InvalidInputError(model.name, field.name, expected, described ? String(got) : describe(got))
}

/** Describes a value instead of quoting it at length, because an error message may end up in a log. */
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

/** The tag that the object gives itself. To ask for it may throw, and the answer need not be true. */
function describeObject(value: object): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `the Date ${value.toISOString()}`
  if (Decimal.isDecimal(value)) return `the Decimal ${value}`
  return `${/^[aeiou]/i.test(value.constructor?.name ?? 'object') ? 'an' : 'a'} ${value.constructor?.name ?? 'object'}`
}
