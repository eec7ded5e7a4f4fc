/** Calls of `max` and `min`, which Prisma does not have. `resolve` computes what plain code would make of them after it has read the row. */
import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'
import type { Field, Model } from '../../src/index.js'
import type { Json } from './rows.js'
import { createFor, isRequired, plainFields, record, scalarFor, updateFor } from './values.js'

export type BoundCall = 'max' | 'min'

const COMPARABLE = ['Int', 'BigInt', 'Float', 'Decimal', 'DateTime']

/** Makes the values of a call of `max` or `min`. Undefined for a model whose row the call cannot insert. */
export function boundsFor(model: Model): fc.Arbitrary<Json> | undefined {
  if (plainFields(model).some((field) => isRequired(field) && !isComparable(field))) return undefined
  return record(plainFields(model).filter(isComparable), boundFor, isRequired).filter(isSome)
}

/** Makes the data of an update, bounds included. */
export function boundedUpdateFor(model: Model): fc.Arbitrary<Json> {
  const bounds = record(
    plainFields(model).filter(isComparable),
    (field) => fc.oneof(...(['max', 'min'] as const).map((call) => boundFor(field).map((value) => ({ [call]: value })))),
    () => false,
  )
  return fc.tuple(updateFor(model), fc.option(bounds, { nil: {} })).map(([update, bounded]) => ({ ...update, ...bounded }))
}

/** Makes the data of an upsert. The values of `create` lie within the bounds of `update`, as an upsert requires. */
export function boundedUpsertFor(model: Model): fc.Arbitrary<{ create: Json; update: Json }> {
  return fc.tuple(createFor(model), boundedUpdateFor(model)).map(([create, update]) => {
    const within = Object.entries(update)
      .filter(([, change]) => boundOf(change) !== undefined)
      .map(([name, change]) => [name, resolveOne(change, create[name] ?? null)])
    return { create: { ...create, ...Object.fromEntries(within) }, update }
  })
}

/** Returns the update with values in place of its bounds. */
export function resolve(update: Json, row: Json): Json {
  return Object.fromEntries(Object.entries(update).map(([name, change]) => [name, resolveOne(change, row[name])]))
}

export function isSome(values: Json): boolean {
  return Object.keys(values).length > 0
}

function resolveOne(change: unknown, value: unknown): unknown {
  const bound = boundOf(change)
  if (bound === undefined) return change
  const [call, operand] = bound
  if (value === null || value === undefined) return operand
  return isLess(value, operand) === (call === 'max') ? operand : value
}

function boundOf(change: unknown): [BoundCall, unknown] | undefined {
  if (typeof change !== 'object' || change === null) return undefined
  for (const call of ['max', 'min'] as const) if (call in change) return [call, (change as Json)[call]]
  return undefined
}

function isLess(a: unknown, b: unknown): boolean {
  if (Decimal.isDecimal(a) || Decimal.isDecimal(b)) return new Decimal(a as Decimal.Value).lt(b as Decimal.Value)
  if (typeof a === 'string' || typeof b === 'string') return Number(a) < Number(b)
  return (a as number) < (b as number)
}

function isComparable(field: Field): boolean {
  return !field.list && COMPARABLE.includes(field.type)
}

/** Makes small numbers too, so that bounds and sums meet. */
function boundFor(field: Field): fc.Arbitrary<unknown> {
  const small = field.type === 'Int' || field.type === 'BigInt' ? [fc.integer({ min: -2_000_000, max: 2_000_000 })] : []
  return fc.oneof(scalarFor(field), ...small)
}
