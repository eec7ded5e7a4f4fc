/** Makes values that Prisma takes for the fields of a model. */
import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'
import { Prisma } from '../../generated/client/client.js'
import type { Field, Model } from '../../src/index.js'
import type { Json } from './rows.js'

/** Returns every field that is not part of the key. */
export function plainFields(model: Model): Field[] {
  return model.fields.filter(({ name }) => !model.key.includes(name))
}

/** Makes the data of a row: all required fields, and some of the others. */
export function createFor(model: Model): fc.Arbitrary<Json> {
  return record(plainFields(model), valueFor, isRequired)
}

/** Makes the data of an update: some fields are set, some are incremented or decremented. */
export function updateFor(model: Model): fc.Arbitrary<Json> {
  return record(plainFields(model), changeFor, () => false)
}

export function record(
  fields: readonly Field[],
  value: (field: Field) => fc.Arbitrary<unknown>,
  required: (field: Field) => boolean,
): fc.Arbitrary<Json> {
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, value(field)])), {
    requiredKeys: fields.filter(required).map(({ name }) => name),
  }) as fc.Arbitrary<Json>
}

export function isRequired(field: Field): boolean {
  return field.default === undefined && !field.nullable && field.updatedAt !== true
}

export function isCounter(field: Field): boolean {
  return !field.list && (field.type === 'Int' || field.type === 'BigInt')
}

export function amountFor(field: Field): fc.Arbitrary<unknown> {
  return field.type === 'Int'
    ? fc.integer({ min: -1_000_000, max: 1_000_000 })
    : fc.oneof(fc.bigInt({ min: -(2n ** 57n), max: 2n ** 57n }), fc.integer())
}

function changeFor(field: Field): fc.Arbitrary<unknown> {
  const value = valueFor(field)
  if (field.type === 'Json') return value
  const set = value.map((each) => ({ set: each }))
  if (!isCounter(field)) return fc.oneof(value, set)
  const amount = amountFor(field)
  return fc.oneof(
    value,
    set,
    amount.map((increment) => ({ increment })),
    amount.map((decrement) => ({ decrement })),
  )
}

function valueFor(field: Field): fc.Arbitrary<unknown> {
  const scalar = scalarFor(field)
  if (field.list) return fc.array(scalar, { maxLength: 4 })
  if (field.type === 'Json') return fc.oneof(scalar, fc.constant(Prisma.JsonNull), ...(field.nullable ? [fc.constant(Prisma.DbNull)] : []))
  return field.nullable ? fc.oneof({ weight: 3, arbitrary: scalar }, { weight: 1, arbitrary: fc.constant(null) }) : scalar
}

const text = (maxLength: number) =>
  fc
    .oneof(fc.string({ maxLength, unit: 'grapheme-ascii' }), fc.string({ maxLength: Math.ceil(maxLength / 4), unit: 'binary' }))
    .filter((each) => !/[\0\p{Surrogate}]/u.test(each))

export function scalarFor(field: Field): fc.Arbitrary<unknown> {
  switch (field.type) {
    case 'String':
      return text(field.maxLength ?? 60)
    case 'Boolean':
      return fc.boolean()
    case 'Int':
      return fc.integer({ min: -1_000_000_000, max: 1_000_000_000 })
    case 'BigInt':
      return fc.oneof(fc.bigInt({ min: -(2n ** 61n), max: 2n ** 61n }), fc.integer())
    case 'Float':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map(asPrismaKeepsIt)
    case 'Decimal':
      return fc
        .integer({ min: -1_000_000_000, max: 1_000_000_000 })
        .chain((n) => fc.constantFrom(new Decimal(n).div(100), new Decimal(n).div(1000).toFixed(), n))
    case 'DateTime':
      return fc.date({ min: new Date('0100-01-01T00:00:00Z'), max: new Date('2020-01-01T00:00:00Z'), noInvalidDate: true })
    case 'Json':
      return fc
        .jsonValue({ maxDepth: 3, stringUnit: 'grapheme-ascii' })
        .filter((value) => value !== null && !JSON.stringify(value).includes('__proto__'))
        .map((value) => JSON.parse(JSON.stringify(value), (_, each) => (typeof each === 'number' ? asPrismaKeepsIt(each) : each)))
    case 'Bytes':
      return fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes))
    case 'Enum':
      return fc.constantFrom(...Object.keys(field.enum ?? {}))
  }
}

/** Rounds a double, because Prisma 7.10 rounds its 17th digit on the way to PostgreSQL and the library does not. */
function asPrismaKeepsIt(value: number): number {
  return Number(value.toPrecision(12))
}
