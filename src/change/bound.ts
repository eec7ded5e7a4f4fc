/**
 * Increments, maxima and minima of a field as one function of its value: x → min(max(x + amount, lower), upper). Two such functions compose to a
 * third one, whatever the order of the calls is. lua/include/bounds.lua does the same in Redis. A null stays null under increments, and becomes the
 * first bound that it meets. From then on it is a value like any other.
 */
import { NULL } from '../model/codec.js'

export interface Adjustment {
  readonly amount: string | undefined
  readonly lower: string | undefined
  readonly upper: string | undefined
  /** Whether a null becomes the upper bound, because that came first. Only if there are two bounds. */
  readonly upperFirst: boolean
}

const DECIMAL = /^-?\d+(?:\.\d+)?$/
/** A sum outside 64 bits, which park.lua leaves as a text. No bound applies to it, so that the database gets it and refuses it. */
const SUM = /\d\+/

export function adjust(value: string, { amount, lower, upper, upperFirst }: Adjustment): string {
  const moved = amount === undefined ? value : add(value, amount)
  if (moved === NULL) return (upperFirst ? upper : lower) ?? upper ?? NULL
  const raised = lower === undefined ? moved : larger(moved, lower)
  return upper === undefined ? raised : smaller(raised, upper)
}

export function compose(first: Adjustment, then: Adjustment): Adjustment {
  const lower = first.lower === undefined ? then.lower : adjust(first.lower, then)
  const upper = first.upper === undefined ? then.upper : adjust(first.upper, then)
  const upperFirst =
    first.upper === undefined ? first.lower === undefined && then.upperFirst : first.lower === undefined || first.upperFirst
  return { amount: addAmounts(first.amount, then.amount), lower, upper, upperFirst: upperFirst && lower !== undefined }
}

export function larger(a: string, b: string): string {
  if (SUM.test(a) || SUM.test(b)) return SUM.test(a) ? a : b
  return isLess(a, b) ? b : a
}

export function smaller(a: string, b: string): string {
  if (SUM.test(a) || SUM.test(b)) return SUM.test(a) ? a : b
  return isLess(b, a) ? b : a
}

/** Compares stored texts of one field. They are times, which all have one width, or numbers, most of which do not fit into a double. */
export function isLess(a: string, b: string): boolean {
  if (DECIMAL.test(a) && DECIMAL.test(b)) return isLessDecimal(a, b)
  const [x, y] = [Number(a), Number(b)]
  return Number.isNaN(x) || Number.isNaN(y) ? a < b : x < y
}

/** A text that is no integer is a sum outside 64 bits (park.lua). It stays readable, and the database refuses it. */
export function add(value: string, amount: string): string {
  if (value === NULL) return NULL
  if (value === '0') return amount
  return isInteger(value) && isInteger(amount) ? String(BigInt(value) + BigInt(amount)) : `${value}+${amount}`
}

export function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text)
}

function addAmounts(first: string | undefined, then: string | undefined): string | undefined {
  if (first === undefined || then === undefined) return first ?? then
  return add(first, then)
}

function isLessDecimal(a: string, b: string): boolean {
  const isNegative = a.startsWith('-')
  if (isNegative !== b.startsWith('-')) return isNegative
  return isNegative ? isNearerToZero(b.slice(1), a.slice(1)) : isNearerToZero(a, b)
}

function isNearerToZero(a: string, b: string): boolean {
  const [whole, fraction] = parts(a)
  const [otherWhole, otherFraction] = parts(b)
  if (whole.length !== otherWhole.length) return whole.length < otherWhole.length
  return whole === otherWhole ? fraction < otherFraction : whole < otherWhole
}

function parts(text: string): [whole: string, fraction: string] {
  const [whole = '', fraction = ''] = text.split('.')
  return [whole, fraction]
}
