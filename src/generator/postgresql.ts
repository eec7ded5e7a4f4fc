/** What PostgreSQL adds to each scalar type (model/scalars.ts): the type of a field's column, and what that column can hold. */
import type { ScalarType } from '../model/model.js'
import type { ColumnType, LedgerField, Native, NativeType } from './native.js'

/** Prisma's `Decimal` without `@db.Decimal`. */
const DEFAULT_DECIMAL = { sqlType: 'numeric', precision: 65, scale: 30 }
/** `@db.Decimal` without arguments is a numeric without modifier: 131,072 digits before the point, 16,383 behind it. */
const WIDEST_DECIMAL = { sqlType: 'numeric', precision: 131_072 + 16_383, scale: 16_383 }
/** The digits of a time after the second. */
const MILLISECONDS = 3
/** The column of a field without an `@db.` attribute. */
const BARE = ''

type Sized = (size: number | undefined, scale: number | undefined) => ColumnType | undefined

const COLUMNS: Readonly<Record<Exclude<ScalarType, 'Enum'>, Readonly<Record<string, Sized>>>> = {
  Int: {
    [BARE]: () => ({ sqlType: 'integer' }),
    Integer: () => ({ sqlType: 'integer' }),
    SmallInt: () => ({ sqlType: 'smallint', small: true }),
  },
  BigInt: { [BARE]: () => ({ sqlType: 'bigint' }), BigInt: () => ({ sqlType: 'bigint' }) },
  String: {
    [BARE]: () => ({ sqlType: 'text' }),
    Text: () => ({ sqlType: 'text' }),
    VarChar: (size) => ({ sqlType: 'text', ...(size === undefined ? {} : { maxLength: size }) }),
    // The assignment turns a text into a citext.
    Citext: () => ({ sqlType: 'text' }),
    Uuid: () => ({ sqlType: 'uuid', uuid: true }),
  },
  Boolean: { [BARE]: () => ({ sqlType: 'boolean' }), Boolean: () => ({ sqlType: 'boolean' }) },
  Float: { [BARE]: () => ({ sqlType: 'double precision' }), DoublePrecision: () => ({ sqlType: 'double precision' }) },
  Decimal: {
    [BARE]: () => DEFAULT_DECIMAL,
    Decimal: (size, scale = 0) => (size === undefined ? WIDEST_DECIMAL : { sqlType: 'numeric', precision: size, scale }),
  },
  DateTime: {
    [BARE]: () => ({ sqlType: 'timestamp' }),
    Timestamp: (size) => timestamp('timestamp', size),
    Timestamptz: (size) => timestamp('timestamptz', size),
    Date: () => ({ sqlType: 'date', dateOnly: true }),
  },
  Json: { [BARE]: () => ({ sqlType: 'jsonb' }), JsonB: () => ({ sqlType: 'jsonb' }), Json: () => ({ sqlType: 'json' }) },
  Bytes: { [BARE]: () => ({ sqlType: 'bytea' }), ByteA: () => ({ sqlType: 'bytea' }) },
}

const TEXT: LedgerField = { type: 'String', list: false, attributes: '', natives: ['Text'] }

export const postgresql: Native = {
  columnType,
  reasons: {
    Char: 'PostgreSQL pads the value with blanks',
    Real: 'PostgreSQL rounds the value to 4 bytes',
    Timestamp: 'PostgreSQL cuts off the milliseconds',
    Timestamptz: 'PostgreSQL cuts off the milliseconds',
  },
  caseless: {
    Citext: {
      key: 'PostgreSQL compares the values without regard to case, which a key cannot have',
      list: 'the driver gives no lists of it',
    },
  },
  ledger: { shard: TEXT, batch: TEXT, recent: { ...TEXT, type: 'String[]', list: true, attributes: ' @default([])' } },
}

function columnType(type: Exclude<ScalarType, 'Enum'>, native: NativeType): ColumnType | undefined {
  const [size, scale] = (native?.[1] ?? []).map(Number)
  return COLUMNS[type]?.[native?.[0] ?? BARE]?.(size, scale)
}

function timestamp(sqlType: string, size: number | undefined): ColumnType | undefined {
  return size === undefined || size >= MILLISECONDS ? { sqlType } : undefined
}
