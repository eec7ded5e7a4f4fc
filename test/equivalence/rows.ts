import { Decimal } from '@prisma/client/runtime/client'

export type Json = Record<string, unknown>

/** Returns a result in a comparable form, in which all times from a clock are alike. */
export function normal(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(normal)
  if (typeof result !== 'object' || result === null) return result
  return Object.fromEntries(Object.entries(result).map(([name, value]) => [name, normalValue(value)]))
}

function normalValue(value: unknown): unknown {
  if (value instanceof Date && Number.isNaN(value.getTime())) return 'no time'
  if (value instanceof Date) return value.getUTCFullYear() > 2020 ? 'now' : value.toISOString()
  if (Decimal.isDecimal(value)) return `decimal ${value.toFixed()}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  if (typeof value === 'bigint') return `${value}n`
  return value === 0 ? 0 : value
}
