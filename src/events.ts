import { EventEmitter } from 'node:events'
import type { WriteBehindError } from './errors.js'
import { OwnError, redact } from './redaction.js'

/** Redis has answered one call, which carries all writes to a shard that were issued while the call before it was under way. */
export interface WrittenEvent {
  readonly model: string
  readonly shard: number
  /** Records that the call changed. */
  readonly records: number
  /** Writes that were accepted, those added up to one operation each counted. */
  readonly writes: number
}

/** Redis has turned writes away, each with a BacklogFullError: the shard holds as many dirty records as the policy allows. */
export interface BacklogEvent {
  readonly model: string
  readonly shard: number
  /** Writes of one call that were refused. */
  readonly writes: number
  /** Most dirty records of one shard. */
  readonly limit: number
}

/** One batch was persisted and acknowledged. */
export interface FlushedEvent {
  readonly model: string
  readonly shard: number
  readonly batch: string
  readonly records: number
  /** Rows that the statement wrote; less than `records` where an update or delete found no row. After a lost reply, all of them. */
  readonly rows: number
  /** Writes that the batch carries; those since the claim before it. */
  readonly writes: number
  /** Duration of the statement, ms. */
  readonly statement: number
  /** Per record, ms from its first unflushed write to the acknowledgement. */
  readonly lags: readonly number[]
}

/** The database refuses a record's change; it is kept, listed, and tried again. */
export interface ParkedEvent {
  readonly model: string
  readonly shard: number
  /** As in ParkedRecord. */
  readonly key: string
  /** Times that the database has refused it. */
  readonly attempts: number
  /** SQLSTATE and constraint, never values. */
  readonly reason: string
}

/** A parked record's change is in the database now. */
export interface UnparkedEvent {
  readonly model: string
  readonly shard: number
  readonly key: string
}

/** Redis had forgotten what the database's ledger knows (it was emptied, or put back in time); the shard goes on from the ledger. */
export interface AdoptedEvent {
  readonly model: string
  readonly shard: number
  /** The batch that found it out; undefined: a read did. */
  readonly batch: string | undefined
  /** Id of the last batch that the database has; null: it has none. */
  readonly ledger: string | null
}

/** Something failed that no call reports. */
export interface FailureEvent {
  /**
   * `schedule` the alarm of a dirty shard: the sweeper finds it · `flush` a job, which is tried again, or the drain of a close, whose records stay
   * dirty · `sweep` of a worker: comes again · `redis`, `queue` a connection: is made again; of the latter too, once, that the queue of a model is
   * paused, limited or broken · `release` of a hold: it expires · `listener` of these events: nothing is tried again · `safety` of what Redis is
   * given: it may lose writes, or has · `confirm` that the database is the right one and fits the schema: is tried again, and nothing is flushed
   * before
   */
  readonly step: 'schedule' | 'flush' | 'sweep' | 'redis' | 'queue' | 'release' | 'listener' | 'safety' | 'confirm'
  readonly model: string | undefined
  /** Of a failure that is not this library's own: its class, code and stack, and its message only where that holds no values. */
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
 * An emitter whose listeners cannot break what they listen to: what one throws, or rejects with, is reported as a `failure` of the step
 * `listener`, and the others are still called. Where nobody listens to `failure`, or that listener fails too, it becomes a process warning.
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
