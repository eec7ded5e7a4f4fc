import { Decimal } from '@prisma/client/runtime/client'

export type Json = Record<string, unknown>

/** Comparable forms; times that were filled in by a clock are all alike. */
export function normal(row: unknown): unknown {
  if (row === null) return null
  return Object.fromEntries(Object.entries(row as Json).map(([name, value]) => [name, normalValue(value)]))
}

function normalValue(value: unknown): unknown {
  if (value instanceof Date) return value.getUTCFullYear() > 2020 ? 'now' : value.toISOString()
  if (Decimal.isDecimal(value)) return `decimal ${value.toFixed()}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  if (typeof value === 'bigint') return `${value}n`
  return value === 0 ? 0 : value
}
