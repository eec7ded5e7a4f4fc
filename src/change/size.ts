/** What one write, and what waits of one record, may take: more than a worker can carry would stop every worker that tries. */
import { InvalidInputError } from '../errors.js'
import type { Operation } from './operation.js'

/** Bytes of UTF-8 that a character of JavaScript's takes at most. */
const MAX_OF_A_CHARACTER = 3

/** In characters, without the numbers. */
export function sizeOf({ key, values }: Operation): number {
  let size = key.length
  for (const value of values) if (typeof value === 'string') size += value.length
  return size
}

/** @throws InvalidInputError if key and values have more bytes */
export function checkSize(model: string, operation: Operation, most: number): void {
  if (MAX_OF_A_CHARACTER * sizeOf(operation) <= most) return
  const bytes = bytesOf(operation)
  if (bytes > most) throw new InvalidInputError(model, undefined, `at most ${most} bytes in one write (maxRecordSize)`, `${bytes} bytes`)
}

/** What was expected, and what came. */
export function tooMuchWaiting(most: number): [expected: string, got: string] {
  return [
    `at most ${2 * most} bytes of a record to wait for its flush (twice maxRecordSize)`,
    'a write that would be too much with what waits',
  ]
}

function bytesOf({ key, values }: Operation): number {
  return values.reduce<number>((bytes, value) => bytes + Buffer.byteLength(String(value)), Buffer.byteLength(key))
}
