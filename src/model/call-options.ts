/** Checks the options of calls such as `flush` and `close`. */
import { InvalidInputError } from '../errors.js'
import { describe } from './describe.js'
import { isObject } from './key.js'

/** @throws InvalidInputError if the options are no object, or have a name that is not among these */
export function checkCallOptions<T extends object>(call: string, options: T, names: readonly string[]): T {
  if (!isObject(options)) throw new InvalidInputError(undefined, call, `{ ${names.join(', ')} }`, describe(options))
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new InvalidInputError(undefined, call, `only ${inWords(names)}`, unknown)
  return options
}

/** @throws InvalidInputError if it is not a number of ms */
export function checkMs(option: string, value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0)) throw new InvalidInputError(undefined, option, 'milliseconds', describe(value))
  return value
}

function inWords(names: readonly string[]): string {
  return names.length === 1 ? String(names[0]) : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
