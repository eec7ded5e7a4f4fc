import { WriteBehindError } from '../errors.js'
import { OwnError } from '../redaction.js'
import { isReply, isTurnedAway, named } from './refusal.js'

/** A call was not answered within the connection's timeout. `sent`: Redis may have carried it out. */
export class NoAnswer extends OwnError {
  readonly sent: boolean

  constructor(sent: boolean, problem: unknown) {
    const cause = named(problem)
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    super(`${sent ? 'Redis did not answer in time' : 'Redis could not be reached in time'}${reason}`, { cause })
    this.sent = sent
  }
}

/** A call is not to be sent now, but maybe later. */
export class NotYet extends OwnError {}

const NOT_WRITTEN = /isn't writeable/

/** A fault of this library's, or of what it was given: to repeat the call would say the same later. */
export function isFault(error: unknown): boolean {
  return error instanceof RangeError || error instanceof TypeError || error instanceof ReferenceError
}

/** Whether it makes no sense to send the call again. */
export function isFinal(error: unknown): boolean {
  return isOwnFault(error) || error instanceof WriteBehindError || (isReply(error) && !isTurnedAway(error))
}

export function mayHaveArrived(error: unknown): boolean {
  return !isReply(error) && !(error instanceof NotYet) && !NOT_WRITTEN.test((error as Error).message)
}

/** Of the library, or of what it was given: it fails the same way whenever it is tried. */
export function isOwnFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError
}
