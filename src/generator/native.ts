/** What the generator has to know of a kind of database. */
import type { Field, ScalarType } from '../model/model.js'

/** What a column of the database adds to a field. */
export type ColumnType = Pick<Field, 'sqlType'> & Partial<Pick<Field, 'maxLength' | 'precision' | 'scale' | 'dateOnly' | 'small' | 'uuid'>>

/** The name and the arguments of a native type such as `@db.VarChar(40)`. */
export type NativeType = readonly [name: string, args: readonly string[]] | null | undefined

export interface Native {
  /** `undefined` if the column would not hold what was written, or is not supported. */
  columnType(type: Exclude<ScalarType, 'Enum'>, native: NativeType): ColumnType | undefined
  /** Why a native type is not supported, where a reason is known. */
  readonly reasons: Readonly<Record<string, string>>
  /** Native types that compare values without regard to case, and why a key or a list cannot have them. */
  readonly caseless: Readonly<Record<string, { readonly key: string; readonly list: string }>>
  /** The fields of the ledger, as a Prisma schema declares them. */
  readonly ledger: LedgerFields
}

export interface LedgerFields {
  readonly shard: LedgerField
  readonly batch: LedgerField
  readonly recent: LedgerField
}

export interface LedgerField {
  /** The type in the Prisma schema: `String[]`. */
  readonly type: string
  readonly list: boolean
  /** The text after the type in the example. */
  readonly attributes: string
  /** Native types that it may have. */
  readonly natives: readonly string[]
}
