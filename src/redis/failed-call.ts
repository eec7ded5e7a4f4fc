import { WriteBehindError } from '../errors.js'
import { OwnError } from '../redaction.js'
import { isReply, isTurnedAway, named } from './refusal.js'

/** Redis did not answer the call within the timeout. If it was `sent`, Redis may have carried it out. */
export class NoAnswer extends OwnError {
  readonly sent: boolean

  constructor(sent: boolean, problem: unknown) {
    const cause = named(problem)
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    super(`${sent ? 'Redis did not answer in time' : 'Redis could not be reached in time'}${reason}`, { cause })
    this.sent = sent
  }
}

/** The call must not be sent now. It may be sent later. */
export class NotYet extends OwnError {}

const NOT_WRITTEN = /isn't writeable/

/** Whether an error of this library or of its arguments is the reason. The call would fail in the same way again. */
export function isFault(error: unknown): boolean {
  return error instanceof RangeError || error instanceof TypeError || error instanceof ReferenceError
}

/** Whether the call would fail again if it were repeated. */
export function isFinal(error: unknown): boolean {
  return isFault(error) || error instanceof WriteBehindError || (isReply(error) && !isTurnedAway(error))
}

/** Whether Redis may have got the call. */
export function mayHaveArrived(error: unknown): boolean {
  return !isReply(error) && !(error instanceof NotYet) && !NOT_WRITTEN.test((error as Error).message)
}
