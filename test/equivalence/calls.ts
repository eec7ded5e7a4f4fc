/** Calls of Prisma's client on the few records of a run. They are data, so that a counterexample can be read. */
import fc from 'fast-check'
import type { Model } from '../../src/index.js'
import { KEYS_A_RUN, keyFields } from './keys.js'
import type { Json } from './rows.js'
import { createFor, updateFor } from './values.js'

/** Says which fields of a row a call returns: `{ select }`, `{ omit }`, or `{}` for all of them. */
type Shape = Json

export type Call =
  | { readonly method: 'findUnique' | 'findUniqueOrThrow' | 'delete'; readonly key: number; readonly other: number; readonly shape: Shape }
  | { readonly method: 'create'; readonly key: number; readonly data: Json; readonly shape: Shape }
  | { readonly method: 'update'; readonly key: number; readonly other: number; readonly data: Json; readonly shape: Shape }
  | { readonly method: 'rename'; readonly key: number; readonly other: number; readonly shape: Shape }
  | { readonly method: 'upsert'; readonly key: number; readonly create: Json; readonly update: Json; readonly shape: Shape }
  | { readonly method: 'findMany' | 'findFirst' | 'count' | 'deleteMany'; readonly keys: readonly number[] }
  | { readonly method: 'updateMany'; readonly keys: readonly number[]; readonly data: Json }
  | { readonly method: 'createMany'; readonly rows: readonly { key: number; data: Json }[]; readonly skipDuplicates: boolean }

export type Delegate = Readonly<Record<string, (args: unknown) => Promise<unknown>>>

/** @param keys are the `where` of every record of the run */
export function send(model: Model, delegate: Delegate, call: Call, keys: readonly Json[]): Promise<unknown> {
  const method = call.method === 'rename' ? 'update' : call.method
  return (delegate[method] as Delegate[string])(argumentsOf(model, call, keys))
}

/** The keys that a call writes. */
export function writtenKeys(call: Call): readonly number[] {
  if (call.method === 'rename') return [call.key, call.other]
  if ('key' in call) return call.method.startsWith('find') ? [] : [call.key]
  if (call.method === 'createMany') return call.rows.map(({ key }) => key)
  return call.method === 'updateMany' || call.method === 'deleteMany' ? call.keys : []
}

export function callFor(model: Model): fc.Arbitrary<Call> {
  const key = fc.nat(KEYS_A_RUN - 1)
  const keys = fc.uniqueArray(key, { minLength: 1 })
  // This is mostly no record of the run, so that most calls name a record by its key alone.
  const other = fc.oneof({ weight: 5, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: key })
  const shape = shapeFor(model)
  const data = updateFor(model)
  const row = createFor(model)
  const of = <const M extends string, T>(method: M, rest: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
    fc.record({ method: fc.constant(method), ...rest })
  return fc.oneof(
    { weight: 4, arbitrary: of('findUnique', { key, other, shape }) },
    { weight: 1, arbitrary: of('findUniqueOrThrow', { key, other, shape }) },
    { weight: 4, arbitrary: of('create', { key, data: row, shape }) },
    { weight: 5, arbitrary: of('update', { key, other, data, shape }) },
    { weight: 1, arbitrary: of('rename', { key, other: key, shape }) },
    { weight: 6, arbitrary: of('upsert', { key, create: row, update: data, shape }) },
    { weight: 3, arbitrary: of('delete', { key, other, shape }) },
    { weight: 1, arbitrary: of('findMany', { keys }) },
    { weight: 1, arbitrary: of('findFirst', { keys }) },
    { weight: 1, arbitrary: of('count', { keys }) },
    { weight: 1, arbitrary: of('updateMany', { keys, data }) },
    { weight: 1, arbitrary: of('deleteMany', { keys }) },
    {
      weight: 1,
      arbitrary: of('createMany', {
        rows: fc.uniqueArray(fc.record({ key, data: row }), { selector: (each) => each.key, minLength: 1, maxLength: 3 }),
        skipDuplicates: fc.boolean(),
      }),
    },
  ) as fc.Arbitrary<Call>
}

function shapeFor({ fields }: Model): fc.Arbitrary<Shape> {
  const names = fields.map(({ name }) => name)
  const some = (maxLength: number) =>
    fc.subarray(names, { minLength: 1, maxLength }).map((chosen) => Object.fromEntries(chosen.map((name) => [name, true])))
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: some(names.length).map((select) => ({ select })) },
    { weight: 1, arbitrary: some(names.length - 1).map((omit) => ({ omit })) },
  )
}

function argumentsOf(model: Model, call: Call, keys: readonly Json[]): Json {
  const where = (key: number) => keys[key] as Json
  const fields = (key: number) => keyFields(where(key))
  /** Adds a filter to the key that only the database can evaluate. */
  const whereNot = (key: number, other: number) => (other < 0 ? where(key) : { ...where(key), NOT: fields(other) })
  const any = (some: readonly number[]) => ({ OR: some.map(fields) })
  const orderBy = model.key.map((name) => ({ [name]: 'asc' }))
  switch (call.method) {
    case 'findUnique':
    case 'findUniqueOrThrow':
    case 'delete':
      return { where: whereNot(call.key, call.other), ...call.shape }
    case 'create':
      return { data: { ...fields(call.key), ...call.data }, ...call.shape }
    case 'update':
      return { where: whereNot(call.key, call.other), data: call.data, ...call.shape }
    case 'rename':
      return { where: where(call.key), data: fields(call.other), ...call.shape }
    case 'upsert':
      return { where: where(call.key), create: { ...fields(call.key), ...call.create }, update: call.update, ...call.shape }
    case 'findMany':
    case 'findFirst':
      return { where: any(call.keys), orderBy }
    case 'count':
    case 'deleteMany':
      return { where: any(call.keys) }
    case 'updateMany':
      return { where: any(call.keys), data: call.data }
    case 'createMany':
      return { data: call.rows.map(({ key, data }) => ({ ...fields(key), ...data })), skipDuplicates: call.skipDuplicates }
  }
}
