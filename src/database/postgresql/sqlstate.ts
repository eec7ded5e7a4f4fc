/** What PostgreSQL's codes mean. */
import { type Clues, cluesOf, meaningToPrisma } from '../clues.js'
import type { Failure } from '../outcome.js'

/** PostgreSQL shortens names to 63 characters. */
const STYLE = { code: /^[0-9A-Z]{5}$/, longestName: 63 }

/**
 * Classes and codes of failures that may pass without help, as far as a SQLSTATE says. But a trigger may raise one of them for one row. Then the same
 * batch fails in the same way again and again (flush/poison-detector.ts).
 */
const OUTAGE = /^(08|0A|0B|25|28|3B|40|53|55|57|58|72|F0|HV|XX)/
/** A pooler gave the connection to somebody else, and with it the statement that was prepared there. */
const POOLER = /^(26|42P05)/
const POOLER_HINT = 'a pooler between Prisma and PostgreSQL has to support prepared statements, or Prisma is not to use them'
/** Node's codes for failures of a socket, such as EPIPE, look like a SQLSTATE. */
const SQL_STATE = /^(?!E[A-Z]{4}$)[0-9A-Z]{5}$/
const SCHEMA_MISMATCH = /^(42|3F|3D|0L|0P)/
/** The statement has a value for a column whose value the database makes. */
const GENERATED_ALWAYS = '428C9'
/** A row that a row-level security policy refuses has the SQLSTATE of a missing right. */
const REFUSED_BY_POLICY = /row-level security policy/
/** The class for constraints. The driver does not name all of them. */
const CONSTRAINT = /^23/
/** The class for missing resources of the server. */
const RESOURCES = /^53/

/** A statement ended by the server's `statement_timeout`, or by a cancellation. */
const QUERY_CANCELED = '57014'
/** A row was inserted by somebody else since the statement's snapshot (see StatementBuilder). */
const CARDINALITY_VIOLATION = '21000'
/** Codes with which a statement failed for sure. Prisma's P2010 and P2039 say nothing without a SQLSTATE. */
const NOT_CARRIED_OUT = /^(21|25|40001|40002|40P01|53|55|P2(?!010|039))/

const EXPLANATIONS: readonly (readonly [codes: RegExp, explanation: string])[] = [
  [/^28/, 'the server refuses the role, or its password'],
  [/^25006$/, 'the database can only be read: default_transaction_read_only is on, or the server is a replica'],
]

export function classify(error: unknown): Failure {
  const clues = cluesOf(error, STYLE)
  const databaseCode = clues.code ?? clues.kind ?? clues.prismaCode
  const code = databaseCode ?? ''
  return {
    code: meaningOf(clues),
    databaseCode,
    // The author of a trigger writes its texts. They may quote a value as if it were a name.
    constraint: isOfConstraint(clues) ? clues.constraint : undefined,
    hint: POOLER.test(code) ? POOLER_HINT : undefined,
    explanation: EXPLANATIONS.find(([codes]) => codes.test(code))?.[1],
    collided: code === CARDINALITY_VIOLATION,
    cancelled: code === QUERY_CANCELED,
    lacksConstraint: CONSTRAINT.test(code),
    exhausted: RESOURCES.test(code),
    undone: NOT_CARRIED_OUT.test(code),
  }
}

function meaningOf(clues: Clues): Failure['code'] {
  const { code, messages } = clues
  if (messages.some((message) => REFUSED_BY_POLICY.test(message))) return 'REFUSED'
  if (code === undefined || !SQL_STATE.test(code)) return meaningToPrisma(clues)
  if (OUTAGE.test(code) || POOLER.test(code)) return 'OUTAGE'
  if (code !== GENERATED_ALWAYS && SCHEMA_MISMATCH.test(code)) return 'SCHEMA_MISMATCH'
  // The others are about values (22, 23, 44, 54), or about what a trigger does. Only a trigger raises a class that PostgreSQL does not know.
  return 'REFUSED'
}

function isOfConstraint({ code }: Clues): boolean {
  return code === undefined || CONSTRAINT.test(code)
}
