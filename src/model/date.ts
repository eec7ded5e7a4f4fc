import { types } from 'node:util'
import { invalid } from './describe.js'
import type { Field, Model } from './model.js'

const { getTime, toISOString } = Date.prototype
/** It is as strict as Prisma: seconds are required, an hour is below 24, an offset has a colon. */
const ISO_DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** @throws InvalidInputError if the database could not hold the moment */
export function encodeDateTime(model: Pick<Model, 'name'>, field: Field, value: unknown): string {
  const date = typeof value === 'string' && isDateTime(value) ? new Date(value) : value
  if (!isWritableDate(date)) throw invalid(model, field, 'a Date or an ISO 8601 date-time between the years 1 and 9999', value)
  const text = date.toISOString()
  return field.dateOnly ? text.slice(0, 10) : text
}

/** `new Date` reads 31 February as 2 or 3 March. */
function isDateTime(text: string): boolean {
  const [, year, month, day] = ISO_DATE_TIME.exec(text) ?? []
  return day !== undefined && Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
}

/** Whether a value is a date between the years 1 and 9999, with the `toISOString` of dates, by which Prisma reads it. */
export function isWritableDate(value: unknown): value is Date {
  if (!types.isDate(value) || value.toISOString !== toISOString) return false
  const year = new Date(getTime.call(value)).getUTCFullYear()
  return year >= 1 && year <= 9999
}
