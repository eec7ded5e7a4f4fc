import { InvalidInputError } from './errors.js'
import { describe } from './model/describe.js'
import { isObject } from './model/key.js'

const DEADLINE = 10_000
const DRAINS: readonly Drain[] = ['all', 'own', 'none']

/** Which records a close flushes: those of all processes, those that this process has written, or none. */
export type Drain = 'all' | 'own' | 'none'

export interface CloseOptions {
  /**
   * Which records to flush before the connections are closed:
   * - `all`: those of all processes
   * - `own`: those that this process has written and that may not be in the database yet; of a shard with more than 250 of them, all records
   * - `none`
   *
   * The others stay in Redis, and the workers flush them.
   * @default 'own'
   */
  readonly drain?: Drain
  /** Ms in which calls may end and records are flushed. To find out what is left takes up to one second more. @default 10000 */
  readonly deadline?: number
}

export interface CloseReport {
  /** How many records the close itself brought into the database, not counting those that a worker took first. */
  readonly flushed: number
  /** How many records of all processes stay in Redis for the next worker, parked ones included; `undefined` if Redis did not answer. */
  readonly dirty: number | undefined
  /** How many of them are parked; `undefined` if Redis did not answer. */
  readonly parked: number | undefined
}

export interface DrainOptions {
  /** Ms in which records are flushed. To find out what is left takes up to one second more. @default 10000 */
  readonly timeout?: number
}

export interface DrainReport extends CloseReport {
  /** Why not everything could be flushed: ParkedError, TimeoutError, PersistError, UnavailableError, …; `undefined` if everything was. */
  readonly error: Error | undefined
}

/** @throws InvalidInputError */
export function checkDrainOptions(options: DrainOptions): Required<DrainOptions> {
  if (!isObject(options)) throw new InvalidInputError(undefined, 'drain', '{ timeout }', describe(options))
  const { timeout = DEADLINE, ...rest }: DrainOptions = options
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new InvalidInputError(undefined, 'drain', 'only timeout', unknown)
  if (typeof timeout !== 'number' || !(timeout >= 0))
    throw new InvalidInputError(undefined, 'drain.timeout', 'milliseconds', describe(timeout))
  return { timeout }
}

/** @throws InvalidInputError */
export function checkCloseOptions(options: CloseOptions): Required<CloseOptions> {
  if (!isObject(options)) throw new InvalidInputError(undefined, 'close', '{ drain, deadline }', describe(options))
  const { deadline = DEADLINE, drain = 'own', ...rest }: CloseOptions = options
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new InvalidInputError(undefined, 'close', 'only drain and deadline', unknown)
  if (typeof deadline !== 'number' || !(deadline >= 0))
    throw new InvalidInputError(undefined, 'close.deadline', 'milliseconds', describe(deadline))
  if (!DRAINS.includes(drain)) throw new InvalidInputError(undefined, 'close.drain', `one of ${DRAINS.join(', ')}`, describe(drain))
  return { deadline, drain }
}
