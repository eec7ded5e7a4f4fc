/**
 * The stored text of a value: the text in Redis, from which a statement makes a value of the column's type. Equal values have equal texts, because
 * keys are made of them. A null is one NUL character, which no text of a database contains. A list is a JSON array of its elements' texts.
 */
import { DbNull } from '@prisma/client/runtime/client'
import { InvalidInputError } from '../errors.js'
import { invalid } from './describe.js'
import type { Field, Model } from './model.js'
import { describeType, isAmount, isComparable, isCounter, SCALARS, type Scalar, typesWith } from './scalars.js'

export const NULL = '\0'

type Named = Pick<Model, 'name'>

/** @throws InvalidInputError if the database could not hold `value` in this field */
export function encode(model: Named, field: Field, value: unknown): string {
  if (value === null || (value === DbNull && field.type === 'Json')) return encodeNull(model, field, value)
  try {
    return encodeElements(model, field, value, encodeScalar)
  } catch (error) {
    // An object that only looks like a value may throw anything.
    throw error instanceof InvalidInputError ? error : invalid(model, field, describeType(field), value)
  }
}

/** Encodes a value that is not null, or each element of a list. */
export function encodeElements(model: Named, field: Field, value: unknown, encodeElement: Scalar['encode']): string {
  if (!field.list) return encodeElement(model, field, value)
  if (!Array.isArray(value)) throw invalid(model, field, `a list of ${describeType(field)}`, value)
  // The loop goes by index, because a hole in the list is no value, and the list may have methods of its own.
  const texts: string[] = []
  for (let n = 0; n < value.length; n++) texts.push(encodeElement(model, field, value[n]))
  return JSON.stringify(texts)
}

/** Looks the type up by a switch, because V8 inlines calls of known functions: `SCALARS[field.type]` cost 7 ns more a value. */
export function encodeScalar(model: Named, field: Field, value: unknown): string {
  switch (field.type) {
    case 'String':
      return SCALARS.String.encode(model, field, value)
    case 'Boolean':
      return SCALARS.Boolean.encode(model, field, value)
    case 'Int':
      return SCALARS.Int.encode(model, field, value)
    case 'BigInt':
      return SCALARS.BigInt.encode(model, field, value)
    case 'Float':
      return SCALARS.Float.encode(model, field, value)
    case 'Decimal':
      return SCALARS.Decimal.encode(model, field, value)
    case 'DateTime':
      return SCALARS.DateTime.encode(model, field, value)
    case 'Json':
      return SCALARS.Json.encode(model, field, value)
    case 'Bytes':
      return SCALARS.Bytes.encode(model, field, value)
    case 'Enum':
      return SCALARS.Enum.encode(model, field, value)
  }
}

function encodeNull(model: Named, field: Field, value: unknown): string {
  if (field.type === 'Json' && value === null) throw invalid(model, field, 'Prisma.JsonNull or Prisma.DbNull instead of null', value)
  if (!field.nullable || field.list) throw invalid(model, field, describeType(field), value)
  return NULL
}

/** The value that Prisma would return for the stored text. */
export function decode(field: Field, text: string): unknown {
  if (text === NULL) return field.list ? [] : null
  if (field.list) return (JSON.parse(text) as string[]).map((element) => decodeScalar(field, element))
  return decodeScalar(field, text)
}

/** It is a switch, like encodeScalar. */
function decodeScalar(field: Field, text: string): unknown {
  switch (field.type) {
    case 'String':
      return SCALARS.String.decode(field, text)
    case 'Boolean':
      return SCALARS.Boolean.decode(field, text)
    case 'Int':
      return SCALARS.Int.decode(field, text)
    case 'BigInt':
      return SCALARS.BigInt.decode(field, text)
    case 'Float':
      return SCALARS.Float.decode(field, text)
    case 'Decimal':
      return SCALARS.Decimal.decode(field, text)
    case 'DateTime':
      return SCALARS.DateTime.decode(field, text)
    case 'Json':
      return SCALARS.Json.decode(field, text)
    case 'Bytes':
      return SCALARS.Bytes.decode(field, text)
    case 'Enum':
      return SCALARS.Enum.decode(field, text)
  }
  return field.type satisfies never
}

/** Whether the field's enum has the stored text, as this release knows it: a newer release may have written other members. */
export function isMember(field: Field, text: string): boolean {
  if (text === NULL) return true
  const known = Object.values(field.enum ?? {})
  return field.list ? (JSON.parse(text) as string[]).every((element) => known.includes(element)) : known.includes(text)
}

/** An increment as a safe integer, or as a bigint where a number would not be exact. */
export function encodeIncrement(model: Named, field: Field, value: unknown): number | bigint {
  requireCounter(model, field)
  if (!isAmount(field, value)) throw invalid(model, field, describeType(field), value)
  if (typeof value === 'number') return value + 0
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** Turns a decrement into the increment that has the same effect. */
export function encodeDecrement(model: Named, field: Field, value: unknown): number | bigint {
  return encodeIncrement(model, field, typeof value === 'bigint' ? -value : typeof value === 'number' ? 0 - value : value)
}

/** @throws InvalidInputError unless the field can be incremented */
export function requireCounter(model: Named, field: Field): void {
  if (isCounter(field)) return
  const isFraction = !field.list && SCALARS[field.type].arithmetic === 'fraction'
  const advice = isFraction ? ' (count in whole units, as cents are, or set the value)' : ''
  throw invalid(model, field, `a field of type ${typesWith('integer')} to increment${advice}`, wordsOf(field), true)
}

/** Encodes a maximum or a minimum. */
export function encodeBound(model: Named, field: Field, value: unknown): string {
  requireComparable(model, field)
  return encodeScalar(model, field, value)
}

/** @throws InvalidInputError unless the field can have a maximum and a minimum */
export function requireComparable(model: Named, field: Field): void {
  if (isComparable(field)) return
  throw invalid(model, field, `a field of type ${typesWith('integer', 'fraction', 'time')} for max and min`, wordsOf(field), true)
}

/** The moment of a call. All fields that the call fills in have the same moment, as with Prisma. It is formatted once for each millisecond. */
export function encodeNow(field: Field, now: number): string {
  if (now !== lastMoment) {
    lastMoment = now
    lastMomentText = new Date(now).toISOString()
  }
  return field.dateOnly ? lastMomentText.slice(0, 10) : lastMomentText
}

let lastMoment = Number.NaN
let lastMomentText = ''

function wordsOf(field: Field): string {
  return `${describeType(field)}${field.list ? '[]' : ''}`
}
