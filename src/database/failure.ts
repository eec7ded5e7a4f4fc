/** The one place that tells what a failure of the database means for a batch. */
import { PersistError, WriteBehindError } from '../errors.js'

/**
 * Classes and codes of PostgreSQL's that may pass by themselves, for all that a SQLSTATE says. A trigger may raise one of them for one row: that shows
 * when the same batch fails so again and again (flush/poison-detector.ts).
 */
const OUTAGE = /^(08|0A|0B|25|28|3B|40|53|55|57|58|72|F0|HV|XX)/
/** A pooler gave the connection to somebody else, and with it the statement that was prepared there. */
const POOLER = /^(26|42P05)/
/** What has the form of a SQLSTATE and is none: Node's names of failures of a socket, such as EPIPE. */
const SQL_STATE = /^(?!E[A-Z]{4}$)[0-9A-Z]{5}$/
/** A value for a column that the database makes. */
const GENERATED_ALWAYS = '428C9'
/** The SQLSTATE of a row that a policy refuses is that of a missing right. */
const REFUSED_BY_POLICY = /row-level security policy/
const SCHEMA_MISMATCH = /^(42|3F|3D|0L|0P)/
/** Prisma's codes: refused rows that reach us without a SQLSTATE, and what is the schema's fault. */
const PRISMA_REFUSED = /^P20(00|02|03|04|05|06|07|11|12|13|19|20)$/
const PRISMA_SCHEMA_MISMATCH = /^P202[12]$/

/** Kinds of Prisma's driver adapters that carry no SQLSTATE of a class above. */
const REFUSED_KINDS =
  /^(UniqueConstraintViolation|NullConstraintViolation|ForeignKeyConstraintViolation|LengthMismatch|ValueOutOfRange|InvalidInputValue|CheckConstraintViolation)$/
const SCHEMA_KINDS = /^(TableDoesNotExist|ColumnNotFound|DatabaseDoesNotExist)$/

/** As PostgreSQL cuts one off. */
const LONGEST_NAME = 63

interface Clues {
  sqlState: string | undefined
  prismaCode: string | undefined
  kind: string | undefined
  constraint: string | undefined
  byPolicy: boolean
}

const MEANING = {
  OUTAGE: 'the database could not be reached, or was busy; it will be tried again',
  REFUSED: 'the database refuses this record; correct the data or the constraint, then retry',
  SCHEMA_MISMATCH: 'the database lacks a table or column of this model, or the right to write it; apply the migrations, or grant it',
} as const

const AGAIN_AND_AGAIN = 'the database fails with this record again and again, while it carries out other statements; it will be tried again'
const TAKES_TOO_LONG = 'the statement of this record alone takes longer than statement_timeout or statementTimeout; it will be tried again'

/** What a failure comes to that is the record's after all. */
export function toRefusal(error: PersistError): PersistError {
  const { code, message, databaseCode, model } = error
  if (code === 'REFUSED') return error
  const meaning = databaseCode === QUERY_CANCELED || databaseCode === NO_ANSWER ? TAKES_TOO_LONG : AGAIN_AND_AGAIN
  return new PersistError('REFUSED', message.replace(MEANING[code], meaning), databaseCode, { model })
}

/** Failures that may be those of all records, also where the ledger can be written. */
export function mayConcernAll({ code, databaseCode }: PersistError): boolean {
  return code === 'SCHEMA_MISMATCH' || databaseCode?.startsWith('53') === true
}

const POOLER_HINT = 'a pooler between Prisma and PostgreSQL has to support prepared statements, or Prisma is not to use them'

export function toPersistError(model: string, error: unknown): PersistError {
  const clues: Clues = { sqlState: undefined, prismaCode: undefined, kind: undefined, constraint: undefined, byPolicy: false }
  for (const each of causes(error)) collect(clues, each)
  const databaseCode = clues.sqlState ?? clues.kind ?? clues.prismaCode
  const code = classify(clues)
  // What a trigger says is its author's, and may quote a value as if it were a name.
  const constraint = isOfConstraint(clues) ? clues.constraint : undefined
  const hint = POOLER.test(databaseCode ?? '') ? POOLER_HINT : undefined
  const details = [databaseCode, constraint && `constraint ${constraint}`, hint].filter(Boolean).join(', ')
  // The cause stays out of reach of logs: PostgreSQL's messages contain values of the row.
  return new PersistError(code, `${model}: ${MEANING[code]}${details ? ` (${details})` : ''}`, databaseCode, { model })
}

/** What a `statement_timeout` of the server ends with, and a cancellation. */
export const QUERY_CANCELED = '57014'
/** No answer within `statementTimeout`. */
export const NO_ANSWER = 'no answer'
/** A row was inserted by somebody else since the statement's snapshot: sent again, it finds the row there. */
export const CARDINALITY_VIOLATION = '21000'
/** A statement with one that goes on is sent again so often; then it is not the moment that is at fault. */
export const MAX_COLLISIONS = 20

/** Codes with which a statement failed for sure; Prisma's P2010 and P2039 say nothing without a SQLSTATE. */
const NOT_CARRIED_OUT = /^(21|25|40001|40002|40P01|53|55|P2(?!010|039))/

/** What Prisma's query compiler says of arguments that it cannot read, under a name that other failures have too. */
const NOT_COMPILED = /^(Could not convert argument value|JSON Error)/m

/** Failures of what has to be done before a statement. */
const ofPreparation = new WeakSet<object>()

/** Runs what has to be done before a statement: when it fails, the statement was not sent. */
export async function preparing<T>(task: Promise<T>): Promise<T> {
  try {
    return await task
  } catch (error) {
    if (error instanceof Error) ofPreparation.add(error)
    throw error
  }
}

/** Whether the statement that failed may have been carried out, or may be yet. */
export function isUndecided(error: unknown): boolean {
  if (error instanceof Error && ofPreparation.has(error)) return false
  if (error instanceof Error && error.name === 'PrismaClientValidationError') return false
  if (error instanceof Error && error.name === 'PrismaClientUnknownRequestError' && NOT_COMPILED.test(error.message)) return false
  // Prisma's client stumbles over a null where it looks for an object.
  if (error instanceof TypeError && /^Cannot (destructure|convert)/.test(error.message)) return false
  if (error instanceof WriteBehindError && !(error instanceof PersistError)) return false
  const { code, databaseCode } = error instanceof PersistError ? error : toPersistError('', error)
  return code === 'OUTAGE' && !NOT_CARRIED_OUT.test(databaseCode ?? '')
}

function classify({ sqlState, prismaCode, kind, byPolicy }: Clues): PersistError['code'] {
  if (byPolicy) return 'REFUSED'
  if (sqlState !== undefined && SQL_STATE.test(sqlState)) {
    if (OUTAGE.test(sqlState) || POOLER.test(sqlState)) return 'OUTAGE'
    if (sqlState !== GENERATED_ALWAYS && SCHEMA_MISMATCH.test(sqlState)) return 'SCHEMA_MISMATCH'
    // The others are about values (22, 23, 44, 54), or about what a trigger does; a class that PostgreSQL does not know only a trigger raises.
    return 'REFUSED'
  }
  if (kind !== undefined && REFUSED_KINDS.test(kind)) return 'REFUSED'
  if (kind !== undefined && SCHEMA_KINDS.test(kind)) return 'SCHEMA_MISMATCH'
  if (prismaCode !== undefined && PRISMA_REFUSED.test(prismaCode)) return 'REFUSED'
  if (prismaCode !== undefined && PRISMA_SCHEMA_MISMATCH.test(prismaCode)) return 'SCHEMA_MISMATCH'
  return 'OUTAGE'
}

function collect(clues: Clues, error: Record<string, unknown>): void {
  const { code, originalCode, kind, constraint, originalMessage, message } = error
  if (typeof originalCode === 'string') clues.sqlState ??= originalCode
  if (typeof code === 'string') {
    // PL/pgSQL's own SQLSTATEs begin with P0.
    if (/^P[1-9]\d{3}$/.test(code)) clues.prismaCode ??= code
    else if (/^[0-9A-Z]{5}$/.test(code)) clues.sqlState ??= code
  }
  if (typeof kind === 'string') clues.kind ??= kind
  for (const text of [originalMessage, message]) {
    if (typeof text !== 'string') continue
    clues.byPolicy ||= REFUSED_BY_POLICY.test(text)
  }
  clues.constraint ??= nameOf(constraint)
}

/**
 * The constraint that the driver names in a field of its own: pg as a text, Prisma's adapter as `index`. Its other fields may come out of a
 * message, which is the text of whoever raised the error, and may quote a value as if it were a name.
 */
function nameOf(constraint: unknown): string | undefined {
  const name = typeof constraint === 'object' && constraint !== null ? (constraint as { index?: unknown }).index : constraint
  return typeof name === 'string' && name.length <= LONGEST_NAME ? name : undefined
}

function isOfConstraint({ sqlState }: Clues): boolean {
  return sqlState === undefined || sqlState.startsWith('23')
}

/** The error, its causes, and what Prisma's driver adapter hangs below `meta`. */
function* causes(error: unknown): Generator<Record<string, unknown>> {
  let each = error
  for (let depth = 0; depth < 10 && typeof each === 'object' && each !== null; depth++) {
    const { meta, cause } = each as { meta?: { driverAdapterError?: unknown }; cause?: unknown }
    yield each as Record<string, unknown>
    each = meta?.driverAdapterError ?? cause
  }
}
