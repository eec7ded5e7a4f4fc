/** Calls with one mistake. Prisma refuses most of them. */
import { Decimal } from '@prisma/client/runtime/client'
import fc from 'fast-check'
import { Prisma } from '../../generated/client/client.js'
import type { Model } from '../../src/index.js'
import { keyFields } from './keys.js'
import type { Json } from './rows.js'
import { createFor, updateFor } from './values.js'

export interface Malformed {
  readonly method: 'findUnique' | 'findUniqueOrThrow' | 'create' | 'update' | 'upsert' | 'delete'
  /** The arguments. The mistake may have made anything of them. */
  readonly args: unknown
}

/** Values that may stand anywhere in place of the expected one. */
const STRANGE: readonly unknown[] = [
  undefined,
  null,
  true,
  ...[Number.NaN, Number.POSITIVE_INFINITY, 0, -0, 1.5, -1, 2 ** 31, 2 ** 53, 1e20, 1n, 2n ** 63n, new Decimal('NaN'), new Decimal('1.25')],
  ...['', 'x', '5', '0x10', 'x'.repeat(200), 'a\0', '\ud800', 'DRAFT', 'published', 'YQ=='],
  ...['2020-02-31T00:00:00Z', '2020-01-01', '2020-01-01T00:00Z', '2020-01-01T00:00:00+01:00'],
  ...[new Date(0), new Date(Number.NaN), new Date('+012345-01-01T00:00:00Z')],
  ...[[], [null], [undefined], ['x'], ['x', 1], [1], [[]]],
  ...[
    {},
    { nosuch: 1 },
    { a: () => 1 },
    { a: undefined },
    { a: new Date(Number.NaN) },
    { a: 1n },
    { equals: 'x' },
    { in: ['x'] },
    { connect: {} },
  ],
  ...[{ set: undefined }, { set: null }, { set: 'x' }, { set: 1 }, { set: [] }, { set: 1, increment: 1 }, { push: 'x' }, { unset: true }],
  ...[
    { increment: undefined },
    { increment: null },
    { increment: '1' },
    { increment: 1.5 },
    { increment: 2 ** 31 },
    { increment: 2 ** 31 - 1 },
  ],
  ...[{ increment: 1n }, { increment: 2n ** 63n }, { decrement: Number.NaN }, { multiply: 2 }, { divide: 0 }, { pow: 2 }],
  ...[Prisma.DbNull, Prisma.JsonNull, Prisma.AnyNull, { a: Prisma.JsonNull }],
  ...[
    Symbol('x'),
    () => 1,
    new Uint8Array([1]),
    new ArrayBuffer(1),
    new Map([['a', 1]]),
    new Set([1]),
    Object.create(null),
    new String('x'),
  ],
  // These look like other values, or contain less than they seem to, see quacking.ts.
  ...[
    Array(2),
    [...Array(1), ...Array(1)],
    { toJSON: () => 'x' },
    { set: new Decimal('1e-16384') },
    '1e-16384',
    { set: Array(1) },
    Object.defineProperty({}, 'set', { value: 'x' }),
  ],
]

/** @param wheres name records of the model, some of which exist */
export function malformedFor(model: Model, wheres: readonly Json[]): fc.Arbitrary<Malformed> {
  return validFor(model, wheres)
    .chain(({ method, args }) =>
      fc.record({ path: fc.constantFrom(...pathsIn(model, args)), value: strange(), more: fc.boolean() }).map(({ path, value, more }) => ({
        method,
        args: more ? { ...(put(args, path, value) as Json), select: { nosuch: true } } : put(args, path, value),
      })),
    )
    .filter(({ args }) => !SELECTIONS.some((name) => isSparse((args as Json | undefined)?.[name])))
}

const SELECTIONS = ['select', 'omit', 'include'] as const

/**
 * Finds a list with holes. Prisma takes such a selection as one without fields. But the copy that Prisma makes for any extension has no holes, and so
 * names fields.
 */
function isSparse(value: unknown): boolean {
  return Array.isArray(value) && Object.keys(value).length < value.length
}

function strange(): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...STRANGE) },
    { weight: 1, arbitrary: fc.anything({ withBigInt: true, withDate: true }) },
  )
}

function validFor(model: Model, wheres: readonly Json[]): fc.Arbitrary<{ method: Malformed['method']; args: Json }> {
  const where = fc.constantFrom(...wheres)
  const row = fc.tuple(where, createFor(model)).map(([key, data]) => ({ ...keyFields(key), ...data }))
  const data = updateFor(model)
  return fc.oneof(
    fc.record({
      method: fc.constantFrom('findUnique' as const, 'findUniqueOrThrow' as const, 'delete' as const),
      args: fc.record({ where }),
    }),
    { weight: 3, arbitrary: fc.record({ method: fc.constant('create' as const), args: fc.record({ data: row }) }) },
    { weight: 3, arbitrary: fc.record({ method: fc.constant('update' as const), args: fc.record({ where, data }) }) },
    { weight: 3, arbitrary: fc.record({ method: fc.constant('upsert' as const), args: fc.record({ where, create: row, update: data }) }) },
  )
}

/** Lists the places for a mistake: all arguments, each of them, and each field that they name. Some places are empty in a valid call. */
function pathsIn(model: Model, args: Json): readonly (readonly string[])[] {
  const fields = [...model.fields.map(({ name }) => name), 'nosuch']
  const top = [...Object.keys(args), 'select', 'omit', 'include', 'nosuch']
  const inside = ['data', 'create', 'update', 'select', 'omit'].filter((name) => name in args || name === 'select' || name === 'omit')
  const inWhere = [...fields, model.compoundKey ?? 'nosuch', 'AND', 'NOT']
  return [
    [],
    ...top.map((name) => [name]),
    ...inside.flatMap((name) => fields.map((field) => [name, field])),
    ...('where' in args ? inWhere.map((name) => ['where', name]) : []),
    ...('where' in args && model.compoundKey !== undefined ? model.key.map((name) => ['where', model.compoundKey as string, name]) : []),
  ]
}

function put(target: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value
  const inside = (target ?? {}) as Json
  return { ...inside, [name]: put(inside[name], rest, value) }
}
