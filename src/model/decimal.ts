import { Decimal } from '@prisma/client/runtime/client'
import { invalid } from './describe.js'
import type { Field, Model } from './model.js'

const DEFAULT_PRECISION = 65
const DEFAULT_SCALE = 30

/** The highest number of digits after the point. PostgreSQL takes no number with more. */
const MAX_FRACTION = 16_383
/** Largest exponent of a Decimal from another copy of the library. A larger number may take more memory than there is when it is written down. */
const MAX_EXPONENT = 150_000
/** Longest text that is read as a number. No number of a database has as many digits, and reading millions of them takes minutes. */
const MAX_CHARACTERS = 200_000
const NUMBER = /^[+-]?\d*(?:\.(\d*))?(?:e([+-]?\d+))?$/i
/** An underscore that groups digits. */
const GROUPED = /(\d)_(?=\d)/g

/** @throws InvalidInputError if the column could not hold the number */
export function encodeDecimal(model: Pick<Model, 'name'>, field: Field, value: unknown): string {
  const { precision = DEFAULT_PRECISION, scale = DEFAULT_SCALE } = field
  const rounded = decimalOf(value)?.toDecimalPlaces(scale, Decimal.ROUND_HALF_UP)
  if (rounded === undefined || (!rounded.isZero() && rounded.e >= precision - scale))
    throw invalid(model, field, `a finite decimal of at most ${precision - scale} digits before the point`, value)
  return rounded.isZero() ? '0' : rounded.toFixed()
}

/** The decimal that Prisma reads in a number, a text, or a Decimal from any copy of the library. Undefined if Prisma or the database takes none. */
export function decimalOf(value: unknown): Decimal | undefined {
  if (typeof value === 'number') return finite(value)
  if (typeof value === 'string') return value.length > MAX_CHARACTERS || fractionOf(value) > MAX_FRACTION ? undefined : finite(value)
  if (!Decimal.isDecimal(value)) return undefined
  if (isOwn(value)) return value.decimalPlaces() > MAX_FRACTION ? undefined : finite(value)
  const text = writtenDecimal(value)
  return text === undefined ? undefined : decimalOf(text)
}

/** A Decimal as Prisma writes it down. Undefined for what only looks like a Decimal, is not a number, or is infinite. */
export function writtenDecimal(value: Decimal): string | undefined {
  const { toFixed, e } = value
  if (typeof toFixed !== 'function' || !(Math.abs(e) <= MAX_EXPONENT)) return undefined
  const text: unknown = value.toFixed()
  return typeof text === 'string' ? text : undefined
}

/** Whether its methods are those of decimal.js. Otherwise its text may be another number. */
function isOwn(value: Decimal): boolean {
  return Object.getPrototypeOf(value) === Decimal.prototype && !Object.hasOwn(value, 'toFixed') && !Object.hasOwn(value, 'decimalPlaces')
}

function finite(value: Decimal.Value): Decimal | undefined {
  try {
    const decimal = new Decimal(value)
    return decimal.isFinite() ? decimal : undefined
  } catch {
    return undefined
  }
}

/** Counts the digits after the point; infinite if the text is no decimal number. */
function fractionOf(text: string): number {
  const [all, fraction = '', exponent = '0'] = NUMBER.exec(text.replace(GROUPED, '$1')) ?? []
  return all === undefined ? Number.POSITIVE_INFINITY : fraction.length - Number(exponent)
}
