import { types } from 'node:util'

const { getTime, toISOString } = Date.prototype

/** Whether a value is a date between the years 1 and 9999 that writes itself down as dates do, which is how Prisma reads it. */
export function isWritableDate(value: unknown): value is Date {
  if (!types.isDate(value) || value.toISOString !== toISOString) return false
  const year = new Date(getTime.call(value)).getUTCFullYear()
  return year >= 1 && year <= 9999
}
