import { EventEmitter } from 'node:events'
import type { WriteBehindError } from './errors.js'
import { OwnError, redact } from './redaction.js'

/** Redis has stored the writes of one call. A call carries all writes to a shard that were issued while the call before it was under way. */
export interface WrittenEvent {
  readonly model: string
  readonly shard: number
  /** How many records the call has changed. */
  readonly records: number
  /** How many writes were accepted. Each write counts, also if several were folded into one operation. */
  readonly writes: number
}

/** The shard holds as many dirty records as the policy allows. Writes were refused, each with a BacklogFullError. */
export interface BacklogEvent {
  readonly model: string
  readonly shard: number
  /** How many writes of one call were refused. */
  readonly writes: number
  /** How many dirty records a shard may hold. */
  readonly limit: number
}

/** One batch is in the database, and Redis knows it. */
export interface FlushedEvent {
  readonly model: string
  readonly shard: number
  readonly batch: string
  readonly records: number
  /**
   * How many rows the statement wrote. There are fewer than `records` if updates or deletes found no row. If the answer of the statement was lost,
   * this is `records`.
   */
  readonly rows: number
  /** How many writes the shard accepted between the last claim and the claim of this batch. */
  readonly writes: number
  /** Duration of the statement in ms. */
  readonly statement: number
  /** For each record, ms from its first unflushed write to the acknowledgement of the batch. */
  readonly lags: readonly number[]
}

/** The database refuses the change of a record. The change is kept, listed by `cache.parked()`, and tried again. */
export interface ParkedEvent {
  readonly model: string
  readonly shard: number
  /** Written as in ParkedRecord. */
  readonly key: string
  /** How many times the database has refused it. */
  readonly attempts: number
  /** SQLSTATE and constraint; never a value of the row. */
  readonly reason: string
}

/** The change of a parked record is in the database now. */
export interface UnparkedEvent {
  readonly model: string
  readonly shard: number
  readonly key: string
}

/** Redis had lost the id of the last batch, because it was emptied or restored from an older copy. The shard goes on from the ledger in the database. */
export interface AdoptedEvent {
  readonly model: string
  readonly shard: number
  /** The batch whose flush found this out; `undefined` if a read found it out. */
  readonly batch: string | undefined
  /** Id of the last batch that is in the database; `null` if there is none. */
  readonly ledger: string | null
}

/** Something failed in the background, where no call can throw. */
export interface FailureEvent {
  /**
   * What failed, and what happens next:
   * - `schedule`: no job could be made for a dirty shard; the sweeper finds the shard
   * - `flush`: a flush job failed, and is tried again. Or the flush of a `close()` failed, and its records stay in Redis
   * - `sweep`: a sweep failed; the next one comes
   * - `redis`: a connection was lost; it is opened again
   * - `queue`: a connection of BullMQ was lost, and is opened again. Or the queue of a model is paused, limited or broken; the event says this once
   * - `release`: a hold could not be released; it expires by itself
   * - `listener`: a listener of these events threw; it is not called again for this event
   * - `safety`: Redis may lose writes, or has lost some
   * - `confirm`: it is not confirmed that the database is the right one and fits the schema. The database is asked again, and nothing is flushed
   *   before that
   */
  readonly step: 'schedule' | 'flush' | 'sweep' | 'redis' | 'queue' | 'release' | 'listener' | 'safety' | 'confirm'
  readonly model: string | undefined
  /**
   * An error of another library keeps its class, its code and its stack. It keeps its message only if the library knows that this message contains no
   * values.
   */
  readonly error: WriteBehindError | Error
}

export interface EventMap {
  written: [WrittenEvent]
  flushed: [FlushedEvent]
  parked: [ParkedEvent]
  unparked: [UnparkedEvent]
  adopted: [AdoptedEvent]
  backlog: [BacklogEvent]
  failure: [FailureEvent]
}

export type Events = EventEmitter<EventMap>

/**
 * An emitter whose listeners cannot break the code that emits. If a listener throws or rejects, the other listeners are still called, and its error
 * is emitted as a `failure` of the step `listener`. If nobody listens to `failure`, or that listener fails too, the error becomes a process warning.
 */
export function createEvents(): Events {
  return new Guarded() as EventEmitter as Events
}

class Guarded extends EventEmitter {
  override emit(name: string | symbol, ...args: unknown[]): boolean {
    const listeners = this.rawListeners(name)
    const told = name === 'failure' && listeners.length > 0 ? args.map(redactFailure) : args
    for (const listener of listeners) {
      try {
        const result: unknown = Reflect.apply(listener, this, told)
        if (result instanceof Promise) result.catch((error: unknown) => this.#report(name, error))
      } catch (error) {
        this.#report(name, error)
      }
    }
    return listeners.length > 0
  }

  #report(name: string | symbol, thrown: unknown): void {
    const cause = redact(thrown)
    const error = new OwnError(`a listener of ${String(name)} failed: ${cause.message}`, { cause })
    if (name !== 'failure' && this.emit('failure', { step: 'listener', model: undefined, error })) return
    process.emitWarning(error.message, { code: 'WRITE_BEHIND' })
  }
}

function redactFailure(event: unknown): unknown {
  const { error, ...rest } = event as FailureEvent
  return { ...rest, error: redact(error) }
}
