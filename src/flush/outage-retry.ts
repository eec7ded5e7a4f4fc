/** Tries a step of a flush again while Redis or the database is away. */
import { PersistError, TimeoutError, UnavailableError, WriteBehindError } from '../errors.js'
import type { Events } from '../events.js'
import { isFault } from '../redis/failed-call.js'
import { isReply, isTurnedAway, named } from '../redis/refusal.js'
import { within } from './deadline.js'

/** Ms between two attempts. */
const PAUSE = 100

/** Repeats a task until it succeeds, fails for another reason than an outage, or its deadline passes. */
export class OutageRetry {
  readonly #events: Pick<Events, 'emit'>
  readonly #problem: () => unknown

  /** @param problem why Redis is not available, as far as it is known */
  constructor(events: Pick<Events, 'emit'>, problem: () => unknown) {
    this.#events = events
    this.#problem = problem
  }

  /**
   * @param model that the task is about; `undefined` if it is about all models
   * @param deadline by performance.now()
   * @throws WriteBehindError of the last attempt
   */
  async untilUp<T>(model: string | undefined, deadline: number, task: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await within(deadline, task())
      } catch (cause) {
        const error = this.#toError(model, cause)
        if (!isOutage(error, cause) || performance.now() + PAUSE > deadline) throw error
        this.#events.emit('failure', { step: 'flush', model, error })
        await new Promise((resolve) => setTimeout(resolve, PAUSE))
      }
    }
  }

  #toError(model: string | undefined, cause: unknown): WriteBehindError {
    const problem = cause instanceof TimeoutError ? named(this.#problem()) : undefined
    if (problem instanceof Error) return new TimeoutError(`flush: the timeout passed; Redis is not available: ${problem.message}`, problem)
    return cause instanceof WriteBehindError ? cause : new UnavailableError(model, named(cause))
  }
}

/** Whether the failure may pass without help. This includes commands that Redis refuses because it lacks replicas or its disk is full. */
function isOutage(error: WriteBehindError, cause: unknown): boolean {
  if (error instanceof PersistError) return error.code === 'OUTAGE'
  return error instanceof UnavailableError && !isFault(cause) && (!isReply(cause) || isTurnedAway(cause))
}
