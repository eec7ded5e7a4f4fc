/** Operations, and what each of them does to a row. The latter does not use the library. */
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import type { Condition, Operation } from '../../src/change/operation.js'

export interface Row {
  readonly views: bigint
  readonly lastStatus: number | null
}

/** `null` means that the row is missing. */
export type State = Row | null

export interface Deed {
  readonly name: string
  /** Makes a new operation each time, because a call may change the operations that it gets. */
  readonly make: (path: string) => Operation
  readonly does: (row: State) => State
}

const compiler = new Compiler(models.pageView)

const isThere = (change: (row: Row) => State) => (row: State) => row && change(row)
const add = (amount: bigint) => (row: Row) => ({ ...row, views: row.views + amount })
const where = (path: string) => ({ path })
const update = (name: string, data: object, does: (row: Row) => State): Deed => ({
  name,
  make: (path) => compiler.update({ where: where(path), data }) as Operation,
  does: isThere(does),
})
const upsert = (name: string, create: object, data: object, inserted: Row, does: (row: Row) => State): Deed => ({
  name,
  make: (path) => compiler.upsert({ where: where(path), create: { path, ...create }, update: data }),
  does: (row) => (row === null ? inserted : does(row)),
})

export const increment: Deed = {
  name: 'increment',
  make: (path) => compiler.increment(where(path), { views: 2 }),
  does: (row) => (row === null ? { views: 2n, lastStatus: null } : add(2n)(row)),
}
export const incrementTwo: Deed = {
  name: 'two increments',
  make: (path) => compiler.increment(where(path), { views: 3, bytes: 1 }),
  does: (row) => (row === null ? { views: 3n, lastStatus: null } : add(3n)(row)),
}
export const sets = update('set', { lastStatus: 404 }, (row) => ({ ...row, lastStatus: 404 }))
export const setsCounter = update('set of a counter', { views: 5, lastStatus: null }, () => ({ views: 5n, lastStatus: null }))
export const both = update('set and increment', { lastStatus: 200, views: { increment: 1 } }, (row) => ({
  views: row.views + 1n,
  lastStatus: 200,
}))
export const upserts = upsert('upsert', { views: 1 }, { views: { increment: 1 } }, { views: 1n, lastStatus: null }, add(1n))
export const upsertsElse = upsert(
  'upsert from another start',
  { views: 100, lastStatus: 1 },
  { views: { increment: 4 }, lastStatus: 2 },
  { views: 100n, lastStatus: 1 },
  (row) => ({ views: row.views + 4n, lastStatus: 2 }),
)
export const deletes: Deed = { name: 'delete', make: (path) => compiler.delete({ where: where(path) }), does: () => null }
export const raises: Deed = {
  name: 'max',
  make: (path) => compiler.max(where(path), { views: 50 }),
  does: (row) => (row === null ? { views: 50n, lastStatus: null } : { ...row, views: row.views > 50n ? row.views : 50n }),
}

/** Makes a deed conditional. If the cached row does not meet the condition, the write is refused and does nothing. */
function conditional(deed: Deed, condition: Condition): Deed {
  const row = ['100', '0', '1', '\0', new Date(0).toISOString()]
  const args = condition === 'known' ? [row] : []
  return { ...deed, name: `${deed.name} if ${condition}`, make: (path) => compiler.conditional(deed.make(path), condition, ...args) }
}

const creates: Deed = {
  name: 'create',
  make: (path) => compiler.create({ data: { path, views: 9 } }),
  does: (row) => row ?? { views: 9n, lastStatus: null },
}
export const createsIf = conditional(creates, 'missing')

export const DEEDS: readonly Deed[] = [
  increment,
  incrementTwo,
  sets,
  setsCounter,
  both,
  upserts,
  upsertsElse,
  deletes,
  raises,
  createsIf,
  conditional(both, 'there'),
  conditional(upsertsElse, 'known'),
  conditional(deletes, 'there'),
]
