/**
 * What the library knows of a Prisma model. The generator (`src/generator`) emits these shapes as constants into the
 * user's tree; nothing here is read from the database at run time.
 */

export type ScalarType = 'String' | 'Boolean' | 'Int' | 'BigInt' | 'Float' | 'Decimal' | 'DateTime' | 'Json' | 'Bytes' | 'Enum'

/** The value an insert gets when the call names none. The library fills it, as Prisma's client does, or the caller has to name one. */
export type FieldDefault =
  /** A constant, in the stored text form (`codec.ts`): `'0'`, `'true'`, `'DRAFT'`, `'[]'`. */
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'now' }
  | { readonly kind: 'uuid'; readonly version: 4 | 7 }
  /** Made by the database (`autoincrement()`), or by Prisma alone (`cuid()`): not to be filled here. */
  | { readonly kind: 'foreign' }

export interface Field {
  /** Name in the Prisma schema. */
  readonly name: string
  /** Name in the database, unquoted (`@map`). */
  readonly column: string
  readonly type: ScalarType
  /** PostgreSQL type without modifier or `[]`, ready to stand in a statement: `bigint`, `text`, `"public"."State"`. */
  readonly sqlType: string
  readonly nullable: boolean
  readonly list: boolean
  /** Enum members: name in the Prisma schema → value in the database (`@map`). */
  readonly enum?: Readonly<Record<string, string>>
  /** Longest string in characters (Unicode code points, as PostgreSQL counts). */
  readonly maxLength?: number
  /** Digits of a Decimal in all, and behind the point. */
  readonly precision?: number
  readonly scale?: number
  /** `true` for a `@db.Date`: the time of day is cut off. */
  readonly dateOnly?: boolean
  /** `true` for a `@db.SmallInt`. */
  readonly small?: boolean
  readonly default?: FieldDefault
  /** `true` for `@updatedAt`: set by every write that does not set it. */
  readonly updatedAt?: boolean
}

/** The table that holds one row a shard: the id of the last batch applied, and a few before it. */
export interface Ledger {
  /** Quoted and qualified: `"public"."write_behind_ledger"`. */
  readonly table: string
  /** Columns, unquoted. */
  readonly shard: string
  readonly batch: string
  readonly recent: string
}

/** A relation field: where it leads, and, on the side that holds the foreign key, its fields and those that it refers to. */
export interface Relation {
  readonly to: string
  readonly fields?: readonly string[]
  readonly references?: readonly string[]
  /** With these: at most one row refers to a row, so that one which comes to refer to it may take it from another. */
  readonly single?: true
}

/** The relation fields of every model of the schema, cached or not: model → field → relation. */
export type Relations = Readonly<Record<string, Readonly<Record<string, Relation>>>>

export interface Model {
  /** Name in the Prisma schema: `PageView`. */
  readonly name: string
  /** Quoted and qualified: `"public"."page_views"`. */
  readonly table: string
  /** Names of the key fields, in the order of `@id` or `@@id`. */
  readonly key: readonly string[]
  /** For a compound key, the name under which Prisma's `where` takes it: `device_metric`. */
  readonly compoundKey?: string
  /** Every scalar and enum field, key fields included, in the order of the schema. Relations are left out. */
  readonly fields: readonly Field[]
  /** Fields of Prisma's client that are left out: cached rows lack them, and an insert leaves them to the database. */
  readonly omitted?: readonly string[]
  readonly ledger: Ledger
  /** Of the whole schema; left out where it has none. */
  readonly relations?: Relations
}

/** What the generator emits: the models of one schema by the name of their Prisma delegate (`pageView`). */
export type Models = Readonly<Record<string, Model>>
