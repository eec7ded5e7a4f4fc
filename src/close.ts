import { InvalidInputError } from './errors.js'
import { checkCallOptions, checkMs } from './model/call-options.js'
import { describe } from './model/describe.js'

const DEADLINE = 10_000
const DRAINS: readonly Drain[] = ['all', 'own', 'none']

/** Which records a close flushes: the records of all processes, the records that this process has written, or none. */
export type Drain = 'all' | 'own' | 'none'

export interface CloseOptions {
  /**
   * Which records to flush before the connections are closed:
   * - `all`: the records of all processes
   * - `own`: the records that this process has written and that may not be in the database yet. If a shard has more than 250 of them, all its records
   *   are flushed
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
  const { timeout = DEADLINE } = checkCallOptions('drain', options, ['timeout'])
  return { timeout: checkMs('drain.timeout', timeout) }
}

/** @throws InvalidInputError */
export function checkCloseOptions(options: CloseOptions): Required<CloseOptions> {
  const { deadline = DEADLINE, drain = 'own' } = checkCallOptions('close', options, ['drain', 'deadline'])
  if (!DRAINS.includes(drain)) throw new InvalidInputError(undefined, 'close.drain', `one of ${DRAINS.join(', ')}`, describe(drain))
  return { deadline: checkMs('close.deadline', deadline), drain }
}
