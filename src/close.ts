import { InvalidInputError } from './errors.js'
import { describe } from './model/describe.js'
import { isObject } from './model/key.js'

const DEADLINE = 10_000
const DRAINS: readonly Drain[] = ['all', 'own', 'none']

/** Whose records a close brings into the database: everybody's, those that this process wrote, or none. */
export type Drain = 'all' | 'own' | 'none'

export interface CloseOptions {
  /**
   * Whose records to flush before the end. `own`: those that this process wrote and that may not be in the database yet; where it wrote more than 250
   * to one shard, the whole shard. What is not flushed stays in Redis, and is flushed by the workers.
   * @default 'own'
   */
  readonly drain?: Drain
  /** Ms for letting calls end and flushing; saying what is left takes up to a second more. @default 10000 */
  readonly deadline?: number
}

export interface CloseReport {
  /** Records that the close itself brought into the database: not those that a worker took first. */
  readonly flushed: number
  /** Records that stay in Redis, for the next worker, whoever wrote them; parked ones included. `undefined`: Redis did not say. */
  readonly dirty: number | undefined
  readonly parked: number | undefined
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
