/** What an error of Prisma's client says, whichever database is behind it. */
import type { Failure } from './outcome.js'

export interface Clues {
  /** The database's own code. */
  readonly code: string | undefined
  readonly prismaCode: string | undefined
  /** The name that a driver adapter of Prisma gives the failure. */
  readonly kind: string | undefined
  /** The constraint that the driver names in a field of its own. */
  readonly constraint: string | undefined
  /** The texts of the messages. They may hold values of the row. */
  readonly messages: readonly string[]
}

/** How a database writes its codes and names. */
export interface CodeStyle {
  /** Matches a text that may be a code of the database. */
  readonly code: RegExp
  /** The highest number of characters of a name in the catalog. */
  readonly longestName: number
}

/** PL/pgSQL's own SQLSTATEs begin with P0. */
const PRISMA_CODE = /^P[1-9]\d{3}$/
/** Prisma's codes for refused rows and for a schema that does not fit. Such errors come without a code of the database. */
const PRISMA_REFUSED = /^P20(00|02|03|04|05|06|07|11|12|13|19|20)$/
const PRISMA_SCHEMA_MISMATCH = /^P202[12]$/
/** The same, by the kinds of the driver adapters. */
const REFUSED_KINDS =
  /^(UniqueConstraintViolation|NullConstraintViolation|ForeignKeyConstraintViolation|LengthMismatch|ValueOutOfRange|InvalidInputValue|CheckConstraintViolation)$/
const SCHEMA_KINDS = /^(TableDoesNotExist|ColumnNotFound|DatabaseDoesNotExist)$/

/** The highest number of causes that are read, because an error may be its own cause. */
const MAX_CAUSES = 10

export function cluesOf(error: unknown, style: CodeStyle): Clues {
  const clues = { code: undefined, prismaCode: undefined, kind: undefined, constraint: undefined, messages: [] }
  for (const cause of causesOf(error)) collect(clues, cause, style)
  return clues
}

/** What the failure means, as far as Prisma's words alone say it. */
export function meaningToPrisma({ prismaCode, kind }: Clues): Failure['code'] {
  if (kind !== undefined && REFUSED_KINDS.test(kind)) return 'REFUSED'
  if (kind !== undefined && SCHEMA_KINDS.test(kind)) return 'SCHEMA_MISMATCH'
  if (prismaCode !== undefined && PRISMA_REFUSED.test(prismaCode)) return 'REFUSED'
  if (prismaCode !== undefined && PRISMA_SCHEMA_MISMATCH.test(prismaCode)) return 'SCHEMA_MISMATCH'
  return 'OUTAGE'
}

type Collected = { -readonly [N in keyof Clues]: N extends 'messages' ? string[] : Clues[N] }

function collect(clues: Collected, error: Record<string, unknown>, { code: ownCode, longestName }: CodeStyle): void {
  const { code, originalCode, kind, constraint, originalMessage, message } = error
  if (typeof originalCode === 'string') clues.code ??= originalCode
  if (typeof code === 'string') {
    if (PRISMA_CODE.test(code)) clues.prismaCode ??= code
    else if (ownCode.test(code)) clues.code ??= code
  }
  if (typeof kind === 'string') clues.kind ??= kind
  for (const text of [originalMessage, message]) if (typeof text === 'string') clues.messages.push(text)
  clues.constraint ??= nameOf(constraint, longestName)
}

/**
 * Reads the constraint that the driver names in a field of its own: pg as a text, Prisma's adapter as `index`. Other fields may come from a message.
 * The author of a trigger may have written that message, and it may quote a value as if it were a name.
 */
function nameOf(constraint: unknown, longest: number): string | undefined {
  const name = typeof constraint === 'object' && constraint !== null ? (constraint as { index?: unknown }).index : constraint
  return typeof name === 'string' && name.length <= longest ? name : undefined
}

/** The error, its causes, and the errors that Prisma's driver adapter puts into `meta`. */
function* causesOf(error: unknown): Generator<Record<string, unknown>> {
  let each = error
  for (let depth = 0; depth < MAX_CAUSES && typeof each === 'object' && each !== null; depth++) {
    const { meta, cause } = each as { meta?: { driverAdapterError?: unknown }; cause?: unknown }
    yield each as Record<string, unknown>
    each = meta?.driverAdapterError ?? cause
  }
}
