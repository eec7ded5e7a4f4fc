/** A call on the extended client, as Prisma passes it to a query extension. */
export interface Call {
  /** Name in the Prisma schema; undefined for raw SQL. */
  readonly model: string | undefined
  readonly operation: string
  readonly args: unknown
  readonly inTransaction: boolean
  /** Lets Prisma run the call with its arguments as they are. */
  query(): Promise<unknown>
}

export type Arguments = Readonly<Record<string, unknown>>

const RECORD_OPERATIONS: ReadonlySet<string> = new Set(['findUnique', 'findUniqueOrThrow', 'create', 'update', 'upsert', 'delete'])
const WRITES = /^(create|update|upsert|delete)/

/** Whether a call is about one record. */
export function isRecordOperation(operation: string): boolean {
  return RECORD_OPERATIONS.has(operation)
}

export function isWrite(operation: string): boolean {
  return WRITES.test(operation)
}

/** Whether a call gives arguments besides the named ones. */
export function hasOthers(args: Arguments, names: readonly string[]): boolean {
  for (const name in args) if (args[name] !== undefined && !names.includes(name)) return true
  return false
}
