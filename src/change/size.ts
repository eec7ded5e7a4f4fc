/** Limits of one write and of the pending change of one record, because a change that is too large for a worker would stop every worker. */
import { InvalidInputError } from '../errors.js'
import type { Operation } from './operation.js'

/** The highest number of UTF-8 bytes for one character of a JavaScript string. */
const MAX_OF_A_CHARACTER = 3

/** The size in characters, without the numbers. */
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

/** The words of the error: what was expected, and what came. */
export function tooMuchWaiting(most: number): [expected: string, got: string] {
  return [
    `at most ${2 * most} bytes of a record to wait for its flush (twice maxRecordSize)`,
    'a write that would be too much with what waits',
  ]
}

function bytesOf({ key, values }: Operation): number {
  return values.reduce<number>((bytes, value) => bytes + Buffer.byteLength(String(value)), Buffer.byteLength(key))
}
