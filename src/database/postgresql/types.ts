/** PostgreSQL's column of the table of scalar types (model/scalars.ts): how values of each type travel into a statement, and come back. */
import { Decimal } from '@prisma/client/runtime/client'
import { encodeElements, NULL } from '../../model/codec.js'
import type { Field, Model, ScalarType } from '../../model/model.js'
import { SCALARS } from '../../model/scalars.js'
import { qualify } from './quote.js'

interface PostgresqlType {
  /** Type of the elements in the arrays that carry the rows; `own`: the column's. */
  readonly carrier: 'own' | 'bigint' | 'text'
  /** Whether stored texts end with a `Z`. */
  readonly hasZone: boolean
  /** Digits behind the point that a column has to keep, where the field does not say it: those of a second. */
  readonly digits: number
  /** Whether a column may hold a number that is none, or infinite, which no call can write. */
  readonly hasSpecials: boolean
}

const PLAIN: PostgresqlType = { carrier: 'own', hasZone: false, digits: 0, hasSpecials: false }
/** A sum may leave the column's type before the database refuses it. */
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

/** The column's type, as a statement names it. */
export function typeName({ type, sqlType, sqlSchema }: Field): string {
  return type === 'Enum' ? qualify(sqlSchema, sqlType) : sqlType
}

/** The type of a parameter that carries a column of rows. Lists travel as the text of an array, since arrays of arrays are no lists. */
export function arrayType(field: Field): string {
  const { carrier } = TYPES[field.type]
  return `${field.list ? 'text' : carrier === 'own' ? typeName(field) : carrier}[]`
}

/** Makes an expression of the carrier's type one of the column's, where an assignment does not. */
export function cast(field: Field, expression: string): string {
  if (field.list) return `${expression}::${typeName(field)}[]`
  return TYPES[field.type].carrier === 'text' ? `${expression}::${typeName(field)}` : expression
}

/** @param keepsZone see TimeZones */
export function dropsZone({ type, sqlType }: Pick<Field, 'type' | 'sqlType'>, keepsZone: boolean): boolean {
  return TYPES[type].hasZone && !(keepsZone && sqlType === 'timestamptz')
}

/** Digits behind the point that the column has to keep. */
export function digitsOf({ type, scale }: Field): number {
  return scale ?? TYPES[type].digits
}

/**
 * Makes the reader of a column: of a value that the driver gives it makes the stored text. It is made once a column, since it runs for every row.
 * The reader throws InvalidInputError of a value that the model cannot hold.
 */
export function readerOf(model: Model, field: Field): (value: unknown) => string {
  const nothing = field.type === 'Json' && !field.nullable && !field.list ? 'null' : NULL
  const read = nonNullReaderOf(model, field)
  return (value) => (value === null ? nothing : read(value))
}

function nonNullReaderOf(model: Model, field: Field): (value: unknown) => string {
  const { list, type } = field
  // The driver gives enums under their names in the database, and a list of them as the text of an array, since it does not know the type.
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
