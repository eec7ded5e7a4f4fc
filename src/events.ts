import { EventEmitter } from 'node:events'
import type { WriteBehindError } from './errors.js'

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
  readonly key: string
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
  readonly ledger: string | null
}

/** Something failed that no call reports: it will be tried again. */
export interface FailureEvent {
  readonly step: 'schedule' | 'flush' | 'sweep' | 'redis' | 'queue'
  readonly model: string | undefined
  readonly error: WriteBehindError | Error
}

export interface EventMap {
  flushed: [FlushedEvent]
  parked: [ParkedEvent]
  unparked: [UnparkedEvent]
  adopted: [AdoptedEvent]
  failure: [FailureEvent]
}

export class Events extends EventEmitter<EventMap> {}
