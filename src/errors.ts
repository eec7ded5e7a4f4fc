import { messageOf, OwnError } from './redaction.js'

/** Codes are stable: match on them, not on messages. Each is that of one class, but for the last three, which are PersistError's. */
export type ErrorCode =
  | 'INVALID_INPUT'
  | 'CONFIGURATION'
  | 'UNSAFE_REDIS'
  | 'BACKLOG_FULL'
  | 'REDIS_FULL'
  | 'OUTCOME_UNKNOWN'
  | 'UNAVAILABLE'
  | 'CLOSED'
  | 'PARKED'
  | 'TIMEOUT'
  | 'TRANSACTION_BLOCKED'
  | 'OUTAGE'
  | 'REFUSED'
  | 'SCHEMA_MISMATCH'

interface ErrorDetails {
  readonly model?: string | undefined
  readonly key?: string | undefined
  readonly cause?: unknown
}

/** Base of every error that this library throws. Its message and its causes hold no value of a row and no secret: see redaction.ts. */
export class WriteBehindError extends OwnError {
  readonly code: ErrorCode
  /** As in the Prisma schema. */
  readonly model: string | undefined
  /** As in ParkedRecord. */
  readonly key: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details)
    this.name = new.target.name
    this.code = code
    this.model = details.model
    this.key = details.key
  }
}

/** A call's arguments do not fit the model. Nothing was stored. */
export class InvalidInputError extends WriteBehindError {
  readonly field: string | undefined
  readonly expected: string
  readonly got: string

  /** @param model `undefined`: the call is not one of a model */
  constructor(model: string | undefined, field: string | undefined, expected: string, got: string) {
    const subject = [model, field].filter((name) => name !== undefined).join('.')
    super('INVALID_INPUT', `${subject}: expected ${expected}, got ${got}`, { model })
    this.field = field
    this.expected = expected
    this.got = got
  }
}

/** Options, policies or the Prisma schema cannot work as given. */
export class ConfigurationError extends WriteBehindError {
  constructor(message: string, details?: ErrorDetails) {
    super('CONFIGURATION', message, details)
  }
}

/**
 * Redis is set up in a way that can lose dirty data (eviction policy), or is none that the protocol works with (version, replica, Redis Cluster). Of
 * a write: nothing was stored, and writes work again when Redis is safe again.
 */
export class UnsafeRedisError extends WriteBehindError {
  constructor(message: string, details?: ErrorDetails) {
    super('UNSAFE_REDIS', message, details)
  }
}

/** The record's shard holds its share of the policy's `maxDirty`. Nothing was stored; try again later. */
export class BacklogFullError extends WriteBehindError {
  constructor(model: string, key: string, limit: number) {
    super('BACKLOG_FULL', `${model}: the backlog limit of ${limit} dirty records in a shard is reached`, { model, key })
  }
}

/** Redis is at `maxmemory`. Nothing was stored; writes work again when flushes have freed memory. */
export class RedisFullError extends WriteBehindError {
  constructor(model: string, cause: unknown) {
    super('REDIS_FULL', `${model}: Redis is out of memory (maxmemory) and refused the write`, { model, cause })
  }
}

/**
 * Redis did not answer within `writeTimeout`, or refused something within the script that stores the write: it may or may not have been stored.
 * Repeating it may apply it twice.
 */
export class OutcomeUnknownError extends WriteBehindError {
  constructor(model: string, cause: unknown) {
    super('OUTCOME_UNKNOWN', `${model}: the write may or may not have been stored: ${messageOf(cause)}`, { model, cause })
  }
}

/** Redis could not be reached, did not answer a question, or refused the call. Nothing was stored. */
export class UnavailableError extends WriteBehindError {
  /** @param model `undefined`: the call is not one of a model */
  constructor(model: string | undefined, cause: unknown) {
    const subject = model === undefined ? '' : `${model}: `
    super('UNAVAILABLE', `${subject}Redis is not available: ${messageOf(cause)}`, { model, cause })
  }
}

/** The cache is closed, or closing. Nothing was stored. */
export class ClosedError extends WriteBehindError {
  constructor() {
    super('CLOSED', 'the cache is closed')
  }
}

/** A flush ended, and these records are not in the database because it refuses them. They stay in Redis, listed and retried. */
export class ParkedError extends WriteBehindError {
  readonly keys: readonly string[]

  constructor(model: string, keys: readonly string[]) {
    super('PARKED', `${model}: the database refuses ${keys.length} record(s), kept as parked: ${keys.slice(0, 5).join(', ')}`, { model })
    this.keys = keys
  }
}

/** A flush did not end within its deadline. What it did not write stays dirty in Redis. */
export class TimeoutError extends WriteBehindError {
  constructor(message: string, cause?: unknown) {
    super('TIMEOUT', message, { cause })
  }
}

/**
 * A call in a transaction is about records with writes that are not in the database, and they could not be flushed first: the
 * transaction has locked rows that the flush waits for, or holds the pool's last connection. Roll it back, and flush before it begins.
 */
export class TransactionBlockedError extends WriteBehindError {
  constructor(model: string, cause: unknown) {
    super(
      'TRANSACTION_BLOCKED',
      `${model}: records that the transaction is about have writes that are not in the database, and their flush waits for the transaction; call cache.flush({ model, key }) before it`,
      { model, cause },
    )
  }
}

/**
 * The database did not take a batch, or a row could not be read. The one place that says whether it can be tried again:
 * `OUTAGE` later and unchanged · `REFUSED` the rows are at fault · `SCHEMA_MISMATCH` the deployment is, tried again later.
 * Messages carry SQLSTATE and constraint, never values of the row.
 */
export class PersistError extends WriteBehindError {
  declare readonly code: 'OUTAGE' | 'REFUSED' | 'SCHEMA_MISMATCH'
  /** SQLSTATE, Prisma's code, or the driver's; `undefined` if the failure bore none. */
  readonly databaseCode: string | undefined

  constructor(code: 'OUTAGE' | 'REFUSED' | 'SCHEMA_MISMATCH', message: string, databaseCode: string | undefined, details?: ErrorDetails) {
    super(code, message, details)
    this.databaseCode = databaseCode
  }
}

/** Of a record whose change in Redis is damaged, or was put there by somebody else. Nothing was stored; the change is kept as it is, and parked. */
export function unreadableError(model: string, key: string | undefined): PersistError {
  return new PersistError('REFUSED', `${model}: the change in Redis cannot be read`, undefined, { model, key })
}
