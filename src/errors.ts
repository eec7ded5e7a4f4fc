import { messageOf, OwnError } from './redaction.js'

/** Codes are stable. Match on them, and not on messages. Each class has one code; only PersistError has three, the last ones in this list. */
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

/** Base of every error that this library throws. Its message and its causes contain no value of a row and no secret (redaction.ts). */
export class WriteBehindError extends OwnError {
  readonly code: ErrorCode
  /** Name in the Prisma schema; `undefined` when the error is not about one model. */
  readonly model: string | undefined
  /** Key of the record, written as in ParkedRecord; `undefined` when the error is not about one record. */
  readonly key: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details)
    this.name = new.target.name
    this.code = code
    this.model = details.model
    this.key = details.key
  }
}

/** The arguments of a call do not fit the model. Nothing was stored. */
export class InvalidInputError extends WriteBehindError {
  /** The field or argument that is wrong; `undefined` when the whole call is wrong. */
  readonly field: string | undefined
  readonly expected: string
  readonly got: string

  /** @param model `undefined` when the call is not about one model */
  constructor(model: string | undefined, field: string | undefined, expected: string, got: string) {
    const subject = [model, field].filter((name) => name !== undefined).join('.')
    super('INVALID_INPUT', `${subject}: expected ${expected}, got ${got}`, { model })
    this.field = field
    this.expected = expected
    this.got = got
  }
}

/** The options, the policies, the Prisma schema or the database cannot work as given. The message says what to change. */
export class ConfigurationError extends WriteBehindError {
  constructor(message: string, details?: ErrorDetails) {
    super('CONFIGURATION', message, details)
  }
}

/**
 * Redis could lose writes that are not in the database yet (its eviction policy), or the library does not work with it (its version, a replica, a
 * node of a Redis Cluster, a missing right). When a write throws it, nothing was stored; writes work again as soon as Redis is safe again.
 */
export class UnsafeRedisError extends WriteBehindError {
  constructor(message: string, details?: ErrorDetails) {
    super('UNSAFE_REDIS', message, details)
  }
}

/** The shard of the record is full: it holds its share of the policy's `maxDirty`. Nothing was stored. Try again when flushes have made room. */
export class BacklogFullError extends WriteBehindError {
  constructor(model: string, key: string, limit: number) {
    super('BACKLOG_FULL', `${model}: the backlog limit of ${limit} dirty records in a shard is reached`, { model, key })
  }
}

/** Redis has reached its `maxmemory`. Nothing was stored. Writes work again when flushes have freed memory. */
export class RedisFullError extends WriteBehindError {
  constructor(model: string, cause: unknown) {
    super('REDIS_FULL', `${model}: Redis is out of memory (maxmemory) and refused the write`, { model, cause })
  }
}

/**
 * The write may have been stored, or not: Redis did not answer within `writeTimeout`, or stopped the script that stores the write. If you repeat the
 * write, it may be applied twice.
 */
export class OutcomeUnknownError extends WriteBehindError {
  constructor(model: string, cause: unknown) {
    super('OUTCOME_UNKNOWN', `${model}: the write may have been stored, or not: ${messageOf(cause)}`, { model, cause })
  }
}

/** Redis could not be reached, did not answer, or refused the call. Nothing was stored. */
export class UnavailableError extends WriteBehindError {
  /** @param model `undefined` when the call is not about one model */
  constructor(model: string | undefined, cause: unknown) {
    const subject = model === undefined ? '' : `${model}: `
    super('UNAVAILABLE', `${subject}Redis is not available: ${messageOf(cause)}`, { model, cause })
  }
}

/** The cache is closed, or is being closed. Nothing was stored. */
export class ClosedError extends WriteBehindError {
  constructor() {
    super('CLOSED', 'the cache is closed')
  }
}

/**
 * A flush has ended, but the database refuses the changes of some records. They stay in Redis as parked records, are listed by `cache.parked()`, and are
 * retried.
 */
export class ParkedError extends WriteBehindError {
  /** Written as in ParkedRecord. */
  readonly keys: readonly string[]

  constructor(model: string, keys: readonly string[]) {
    super('PARKED', `${model}: the database refuses ${keys.length} record(s), which are parked: ${keys.slice(0, 5).join(', ')}`, { model })
    this.keys = keys
  }
}

/** A flush did not end within its timeout. What it did not write stays in Redis, for the next flush. */
export class TimeoutError extends WriteBehindError {
  constructor(message: string, cause?: unknown) {
    super('TIMEOUT', message, { cause })
  }
}

/**
 * A call in a transaction concerns records with writes that are not in the database yet. They could not be flushed before the call: the transaction
 * has locked rows for which the flush waits, or it has the last connection of the pool. Roll the transaction back, and flush before it begins.
 */
export class TransactionBlockedError extends WriteBehindError {
  constructor(model: string, cause: unknown) {
    super(
      'TRANSACTION_BLOCKED',
      `${model}: the transaction concerns records with writes that are not in the database, and their flush waits for the transaction; call cache.flush({ model, key }) before it`,
      { model, cause },
    )
  }
}

/**
 * The database did not take a write, or a row could not be read. The code says whether it can be tried again:
 * - `OUTAGE`: the database is away or busy; try the same again later
 * - `REFUSED`: the database refuses the values; trying again does not help
 * - `SCHEMA_MISMATCH`: a table, a column or a right is missing; correct the deployment
 *
 * The message names the SQLSTATE and the constraint, and never a value of the row.
 */
export class PersistError extends WriteBehindError {
  declare readonly code: 'OUTAGE' | 'REFUSED' | 'SCHEMA_MISMATCH'
  /** The SQLSTATE, or the code of Prisma or of the driver; `undefined` if the failure has none. */
  readonly databaseCode: string | undefined

  constructor(code: 'OUTAGE' | 'REFUSED' | 'SCHEMA_MISMATCH', message: string, databaseCode: string | undefined, details?: ErrorDetails) {
    super(code, message, details)
    this.databaseCode = databaseCode
  }
}

/**
 * The error for a record whose change in Redis is damaged, or was put there by somebody else. Nothing was stored. The change is kept as it is, and is
 * parked.
 */
export function unreadableError(model: string, key: string | undefined): PersistError {
  return new PersistError('REFUSED', `${model}: the change in Redis cannot be read`, undefined, { model, key })
}
