/**
 * What the library knows of a Prisma model. The generator (src/generator) emits these shapes as constants into the user's tree. Nothing here is
 * read from the database at run time.
 */

/** scalars.ts says what each scalar type is. */
export type ScalarType = 'String' | 'Boolean' | 'Int' | 'BigInt' | 'Float' | 'Decimal' | 'DateTime' | 'Json' | 'Bytes' | 'Enum'

/** A kind of database, as a Prisma schema names it. */
export type Provider = 'postgresql'

/** The value of a field in an insert if the call gives none. The library fills it in, as Prisma's client does, or the caller has to give a value. */
export type FieldDefault =
  /** A constant, as a stored text (`codec.ts`): `'0'`, `'true'`, `'DRAFT'`, `'[]'`. */
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'now' }
  | { readonly kind: 'uuid'; readonly version: 4 | 7 }
  /** Made by the database (`autoincrement()`), or by Prisma alone (`cuid()`), so that the library cannot fill it in. */
  | { readonly kind: 'foreign' }

export interface Field {
  /** Name in the Prisma schema. */
  readonly name: string
  /** Name in the database, unquoted (`@map`). */
  readonly column: string
  readonly type: ScalarType
  /** The database's name of the type, without modifier or `[]`: `bigint`, `text`; of an enum unquoted: `State`. */
  readonly sqlType: string
  /** The schema of an enum's type, unquoted. */
  readonly sqlSchema?: string
  readonly nullable: boolean
  readonly list: boolean
  /** Members of an enum: name in the Prisma schema → value in the database (`@map`). */
  readonly enum?: Readonly<Record<string, string>>
  /** Longest string in characters (Unicode code points, as databases count). */
  readonly maxLength?: number
  /** The number of digits of a Decimal in all, and after the point. */
  readonly precision?: number
  readonly scale?: number
  /** `true` for a `@db.Date`: the time of day is cut off. */
  readonly dateOnly?: boolean
  /** `true` for a `@db.SmallInt`. */
  readonly small?: boolean
  /** `true` for a `@db.Uuid`: the string is a UUID, stored in lower case with hyphens. */
  readonly uuid?: boolean
  readonly default?: FieldDefault
  /** `true` for `@updatedAt`: every write sets it that gives it no value. */
  readonly updatedAt?: boolean
}

/** A table in the database. */
export interface TableName {
  /** Unquoted. Without it, the table is found on the search path. */
  readonly schema?: string
  /** Unquoted. */
  readonly table: string
}

/** The table with one row for each shard: the id of the batch applied last, and the ids of the batches before it. */
export interface Ledger extends TableName {
  /** Columns, unquoted. */
  readonly shard: string
  readonly batch: string
  readonly recent: string
}

/**
 * A relation field: the model to which it leads, and, on the side that has the foreign key, the fields of the key and the fields to which they refer.
 */
export interface Relation {
  readonly to: string
  readonly fields?: readonly string[]
  readonly references?: readonly string[]
  /** Whether at most one row refers to a row. Then a row that begins to refer to it may take it from another row. */
  readonly single?: true
}

/** The relation fields of every model of the schema, cached or not: model → field → relation. */
export type Relations = Readonly<Record<string, Readonly<Record<string, Relation>>>>

export interface Model extends TableName {
  /** Name in the Prisma schema: `PageView`. */
  readonly name: string
  /** The kind of database that the table is in. */
  readonly provider: Provider
  /** Names of the key fields, in the order of `@id` or `@@id`. */
  readonly key: readonly string[]
  /** For a compound key, its name in Prisma's `where`: `device_metric`. */
  readonly compoundKey?: string
  /** Every scalar and enum field, key fields included, in the order of the schema. Relations are left out. */
  readonly fields: readonly Field[]
  /** Fields of Prisma's client that are left out: cached rows lack them, and an insert leaves them to the database. */
  readonly omitted?: readonly string[]
  readonly ledger: Ledger
  /** The relations of the whole schema, if it has any. */
  readonly relations?: Relations
}

/** What the generator emits: the models of one schema by the name of their Prisma delegate (`pageView`). */
export type Models = Readonly<Record<string, Model>>
