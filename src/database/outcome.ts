/**
 * What a failure of the database means to the sender of the statement. Only the dialect looks at codes, when it classifies the error. All other code
 * calls the functions below.
 */
import { PersistError, WriteBehindError } from '../errors.js'

export interface Failure {
  readonly code: PersistError['code']
  /** The code that the database, its driver or Prisma gives the failure; undefined if there is none. */
  readonly databaseCode: string | undefined
  /** The constraint that refuses the row. It is a name from the catalog, and never a value. */
  readonly constraint?: string | undefined
  /** What an operator can do about it. The message contains it. */
  readonly hint?: string | undefined
  /** What the code means, if the text of an outage does not say it. */
  readonly explanation?: string | undefined
  /** Somebody else inserted a row of the statement since the statement began. */
  readonly collided?: boolean
  /** The server, or somebody on it, stopped the statement. */
  readonly cancelled?: boolean
  /** The driver may leave out the name of the constraint that refuses the row. */
  readonly lacksConstraint?: boolean
  /** The server ran out of what all statements need, such as its disk. */
  readonly exhausted?: boolean
  /** The statement was surely not carried out. */
  readonly undone?: boolean
}

const MEANING = {
  OUTAGE: 'the database could not be reached, or was busy; it will be tried again',
  REFUSED: 'the database refuses this record; correct the data or the constraint, then retry',
  SCHEMA_MISMATCH: 'the database lacks a table or column of this model, or the right to write it; apply the migrations, or grant it',
} as const

const AGAIN_AND_AGAIN = 'the database fails with this record again and again, while it carries out other statements; it will be tried again'
const TAKES_TOO_LONG = 'the statement of this record alone takes longer than statement_timeout or statementTimeout; it will be tried again'

/** The code of a statement that had no answer within `statementTimeout`. */
const NO_ANSWER = 'no answer'
/** How often a statement is sent that collides each time. After that the collisions are no accident. */
const MAX_COLLISIONS = 20

/** What the dialect has said about each error. An error that is not in this map means only what its `code` says. */
const failures = new WeakMap<PersistError, Failure>()

/** The error has no cause, because logs would show it, and messages of databases contain values of the row. */
export function toPersistError(model: string, failure: Failure): PersistError {
  const { code, databaseCode, constraint, hint } = failure
  const details = [databaseCode, constraint && `constraint ${constraint}`, hint].filter(Boolean).join(', ')
  return remember(new PersistError(code, `${model}: ${MEANING[code]}${details ? ` (${details})` : ''}`, databaseCode, { model }), failure)
}

/** The error of a statement without an answer. */
export function noAnswer(model: string): PersistError {
  return toPersistError(model, { code: 'OUTAGE', databaseCode: NO_ANSWER })
}

/** Turns a failure into a refusal, because the record turned out to be the reason for it. */
export function toRefusal(error: PersistError): PersistError {
  const { code, message, databaseCode, model } = error
  if (code === 'REFUSED') return error
  const meaning = tookTooLong(error) ? TAKES_TOO_LONG : AGAIN_AND_AGAIN
  const refusal = new PersistError('REFUSED', message.replace(MEANING[code], meaning), databaseCode, { model })
  return remember(refusal, { ...failures.get(error), code: 'REFUSED', databaseCode })
}

/** Whether somebody else inserted a row of the statement meanwhile. If the statement is sent again, it finds that row. */
export function hasCollided(error: PersistError): boolean {
  return failures.get(error)?.collided === true
}

/** @param attempts made so far */
export function isWorthSendingAgain(error: unknown, attempts: number): boolean {
  return error instanceof PersistError && hasCollided(error) && attempts < MAX_COLLISIONS
}

/** Whether the server stopped the statement. The parts of such a batch may succeed. */
export function wasCancelled(error: PersistError): boolean {
  return failures.get(error)?.cancelled === true
}

/** Whether no answer came within `statementTimeout`. The statement may go on in the database. */
export function isUnanswered({ databaseCode }: PersistError): boolean {
  return databaseCode === NO_ANSWER
}

/** Whether the statement took longer than the server or the library lets it. */
export function tookTooLong(error: PersistError): boolean {
  return wasCancelled(error) || isUnanswered(error)
}

/** Whether all records may fail in this way, even while the ledger can be written. */
export function mayConcernAll(error: PersistError): boolean {
  return error.code === 'SCHEMA_MISMATCH' || failures.get(error)?.exhausted === true
}

/** Whether the error may lack the name of the constraint that refuses the row, which a trial finds. */
export function mayLackConstraint(error: PersistError): boolean {
  return failures.get(error)?.lacksConstraint === true
}

/** The errors of steps that come before a statement. */
const ofPreparation = new WeakSet<object>()

/** Runs a step that comes before a statement. If the step fails, the statement was not sent. */
export async function preparing<T>(task: Promise<T>): Promise<T> {
  try {
    return await task
  } catch (error) {
    if (error instanceof Error) ofPreparation.add(error)
    throw error
  }
}

/** What Prisma's query compiler says if it cannot read the arguments. Other failures have the same name. */
const NOT_COMPILED = /^(Could not convert argument value|JSON Error)/m

/**
 * Whether the statement that failed may have been carried out, or may still be carried out.
 * @param classify the method of the dialect
 */
export function isUndecided(error: unknown, classify: (error: unknown) => Failure): boolean {
  if (error instanceof Error && (ofPreparation.has(error) || wasNotSent(error))) return false
  if (error instanceof WriteBehindError && !(error instanceof PersistError)) return false
  const { code, undone } = error instanceof PersistError ? (failures.get(error) ?? { code: error.code, undone: false }) : classify(error)
  return code === 'OUTAGE' && undone !== true
}

/** Whether Prisma's client itself refused the call. */
function wasNotSent(error: Error): boolean {
  if (error.name === 'PrismaClientValidationError') return true
  if (error.name === 'PrismaClientUnknownRequestError') return NOT_COMPILED.test(error.message)
  // The client stumbles over a null where it looks for an object.
  return error instanceof TypeError && /^Cannot (destructure|convert)/.test(error.message)
}

function remember(error: PersistError, failure: Failure): PersistError {
  failures.set(error, failure)
  return error
}
