/** PostgreSQL's side of a field: the type to cast to, and what the column can hold. */
import type { Field } from '../model/model.js'

export type Column = Pick<Field, 'sqlType'> & Partial<Pick<Field, 'maxLength' | 'precision' | 'scale' | 'dateOnly' | 'small'>>

/** Prisma's `Decimal` without `@db.Decimal`. */
const DEFAULT_DECIMAL = { sqlType: 'numeric', precision: 65, scale: 30 }
/** `@db.Decimal` without arguments is a numeric without modifier: 131,072 digits before the point, 16,383 behind it. */
const WIDEST_DECIMAL = { sqlType: 'numeric', precision: 131_072 + 16_383, scale: 16_383 }
const MILLISECONDS = 3

/** By `type`, and by `type@native` where the schema has an `@db.` attribute. */
const COLUMNS: Readonly<Record<string, (size: number | undefined, scale: number | undefined) => Column | undefined>> = {
  Int: () => ({ sqlType: 'integer' }),
  'Int@Integer': () => ({ sqlType: 'integer' }),
  'Int@SmallInt': () => ({ sqlType: 'smallint', small: true }),
  BigInt: () => ({ sqlType: 'bigint' }),
  'BigInt@BigInt': () => ({ sqlType: 'bigint' }),
  String: () => ({ sqlType: 'text' }),
  'String@Text': () => ({ sqlType: 'text' }),
  'String@VarChar': (size) => ({ sqlType: 'text', ...(size === undefined ? {} : { maxLength: size }) }),
  // A text is cast to it by the assignment. Keys and lists of it are refused.
  'String@Citext': () => ({ sqlType: 'text' }),
  'String@Uuid': () => ({ sqlType: 'uuid' }),
  Boolean: () => ({ sqlType: 'boolean' }),
  'Boolean@Boolean': () => ({ sqlType: 'boolean' }),
  Float: () => ({ sqlType: 'double precision' }),
  'Float@DoublePrecision': () => ({ sqlType: 'double precision' }),
  Decimal: () => DEFAULT_DECIMAL,
  'Decimal@Decimal': (size, scale = 0) => (size === undefined ? WIDEST_DECIMAL : { sqlType: 'numeric', precision: size, scale }),
  DateTime: () => ({ sqlType: 'timestamp' }),
  'DateTime@Timestamp': (size) => timestamp('timestamp', size),
  'DateTime@Timestamptz': (size) => timestamp('timestamptz', size),
  'DateTime@Date': () => ({ sqlType: 'date', dateOnly: true }),
  Json: () => ({ sqlType: 'jsonb' }),
  'Json@JsonB': () => ({ sqlType: 'jsonb' }),
  'Json@Json': () => ({ sqlType: 'json' }),
  Bytes: () => ({ sqlType: 'bytea' }),
  'Bytes@ByteA': () => ({ sqlType: 'bytea' }),
}

/** Why a native type is refused; the ones not named here are merely not supported. */
const REASONS: Readonly<Record<string, string>> = {
  Char: 'PostgreSQL pads the value with blanks',
  Real: 'PostgreSQL rounds the value to 4 bytes',
  Timestamp: 'PostgreSQL cuts off the milliseconds',
  Timestamptz: 'PostgreSQL cuts off the milliseconds',
}

export type NativeType = readonly [name: string, args: readonly string[]] | null | undefined

/** `undefined` if the column would not hold what was written, or is not supported. */
export function describeColumn(type: string, native: NativeType): Column | undefined {
  const [size, scale] = (native?.[1] ?? []).map(Number)
  return COLUMNS[native ? `${type}@${native[0]}` : type]?.(size, scale)
}

export function explainRefusal(type: string, native: NativeType): string {
  if (!native) return `its type ${type} is not supported`
  const [name, args] = native
  return `@db.${name}${args.length > 0 ? `(${args.join(', ')})` : ''} is not supported${name in REASONS ? `: ${REASONS[name]}` : ''}`
}

function timestamp(sqlType: string, size: number | undefined): Column | undefined {
  return size === undefined || size >= MILLISECONDS ? { sqlType } : undefined
}

/** Also escapes `"`. */
export function quote(...names: readonly (string | null | undefined)[]): string {
  return names
    .filter((name) => typeof name === 'string')
    .map((name) => `"${name.replaceAll('"', '""')}"`)
    .join('.')
}
