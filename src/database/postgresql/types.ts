/** What PostgreSQL adds to each scalar type (model/scalars.ts): how its values are passed to a statement, and how they are read. */
import { Decimal } from '@prisma/client/runtime/client'
import { encodeElements, NULL } from '../../model/codec.js'
import type { Field, Model, ScalarType } from '../../model/model.js'
import { SCALARS } from '../../model/scalars.js'
import { qualify } from './quote.js'

interface PostgresqlType {
  /** Type of the elements in the arrays that carry the rows; `own`: the type of the column. */
  readonly carrier: 'own' | 'bigint' | 'text'
  /** Whether stored texts end with a `Z`. */
  readonly hasZone: boolean
  /** Digits after the point that a column has to keep, if the field does not say it. These are the digits after the second. */
  readonly digits: number
  /** Whether a column may contain NaN or an infinite number. No call can write these. */
  readonly hasSpecials: boolean
}

const PLAIN: PostgresqlType = { carrier: 'own', hasZone: false, digits: 0, hasSpecials: false }
/** A sum may be too large for the column's type. Only the database then refuses it. */
const COUNTER: PostgresqlType = { ...PLAIN, carrier: 'bigint' }

const TYPES: Readonly<Record<ScalarType, PostgresqlType>> = {
  String: PLAIN,
  Boolean: PLAIN,
  Int: COUNTER,
  BigInt: COUNTER,
  Float: { ...PLAIN, hasSpecials: true },
  Decimal: { ...PLAIN, hasSpecials: true },
  DateTime: { ...PLAIN, hasZone: true, digits: 3 },
  Json: { ...PLAIN, carrier: 'text' },
  Bytes: PLAIN,
  Enum: PLAIN,
}

/** The type of the column, as a statement names it. */
export function typeName({ type, sqlType, sqlSchema }: Field): string {
  return type === 'Enum' ? qualify(sqlSchema, sqlType) : sqlType
}

/**
 * The type of a parameter that carries a column of rows. A list is passed as the text of an array, because an array of arrays is no list of lists in
 * PostgreSQL.
 */
export function arrayType(field: Field): string {
  const { carrier } = TYPES[field.type]
  return `${field.list ? 'text' : carrier === 'own' ? typeName(field) : carrier}[]`
}

/** Casts an expression of the carrier's type to the column's type, if an assignment does not do so. */
export function cast(field: Field, expression: string): string {
  if (field.list) return `${expression}::${typeName(field)}[]`
  return TYPES[field.type].carrier === 'text' ? `${expression}::${typeName(field)}` : expression
}

/** @param keepsZone see TimeZones */
export function dropsZone({ type, sqlType }: Pick<Field, 'type' | 'sqlType'>, keepsZone: boolean): boolean {
  return TYPES[type].hasZone && !(keepsZone && sqlType === 'timestamptz')
}

/** Digits after the point that the column has to keep. */
export function digitsOf({ type, scale }: Field): number {
  return scale ?? TYPES[type].digits
}

/**
 * Makes the reader of a column. The reader turns a value from the driver into its stored text. It is made once for each column, because it runs for
 * every row. It throws InvalidInputError for a value that the model cannot have.
 */
export function readerOf(model: Model, field: Field): (value: unknown) => string {
  const nothing = field.type === 'Json' && !field.nullable && !field.list ? 'null' : NULL
  const read = nonNullReaderOf(model, field)
  return (value) => (value === null ? nothing : read(value))
}

function nonNullReaderOf(model: Model, field: Field): (value: unknown) => string {
  const { list, type } = field
  // The driver returns enums by their names in the database, and a list of enums as the text of an array, because it does not know the type.
  if (type === 'Enum') return list ? (value) => JSON.stringify(elementsOf(String(value))) : String
  if (type === 'Json' && !list) return JSON.stringify
  const { maxLength: _, ...unlimited } = field
  const { encode } = SCALARS[type]
  const element: typeof encode = TYPES[type].hasSpecials ? (...given) => specialOf(given[2]) ?? encode(...given) : encode
  return (value) => encodeElements(model, unlimited, value, element)
}

function specialOf(value: unknown): string | undefined {
  const isSpecial = typeof value === 'number' ? !Number.isFinite(value) : Decimal.isDecimal(value) && !value.isFinite()
  return isSpecial ? String(value) : undefined
}

function elementsOf(array: string): string[] {
  return Array.from(array.matchAll(/"((?:[^"\\]|\\.)*)"|[^{},"]+/g), ([plain, quoted]) => quoted?.replace(/\\(.)/g, '$1') ?? plain)
}
