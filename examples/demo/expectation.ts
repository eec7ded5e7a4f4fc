import type { Change } from './change.js'

/** What one row must hold. A sum is a range when writes with an unknown outcome went into it. */
export interface ExpectedRow {
  readonly sums: Map<string, { low: number; high: number }>
  /** The newest values; an increment alone sets none. */
  set: Change['set']
  writes: number
  /** Writes of it that may or may not have been stored. With any, its values may be those before. */
  doubtful: number
}

export type ModelName = Change['model']

export const MODEL_NAMES: readonly ModelName[] = ['pageView', 'reading', 'player', 'counter']

/** What the database must hold in the end, by the input alone. Grows with the number of distinct records, not of writes. */
export class Expectation {
  readonly #rows = new Map(MODEL_NAMES.map((name) => [name, new Map<string, ExpectedRow>()]))

  /** To be told of every change, in the order in which they are issued. */
  add({ model, key, add, set }: Change): ExpectedRow {
    const row = this.#row(model, rowKey(key))
    row.writes++
    for (const [field, amount] of Object.entries(add)) {
      const sum = row.sums.get(field)
      if (sum === undefined) row.sums.set(field, { low: amount, high: amount })
      else {
        sum.low += amount
        sum.high += amount
      }
    }
    if (set !== undefined) row.set = set
    return row
  }

  /** A change that was added may or may not have been stored. */
  doubt({ model, key, add }: Change): void {
    const row = this.#row(model, rowKey(key))
    row.doubtful++
    for (const [field, amount] of Object.entries(add)) {
      const sum = row.sums.get(field)
      if (sum === undefined) continue
      if (amount > 0) sum.low -= amount
      else sum.high -= amount
    }
  }

  rows(model: ModelName): ReadonlyMap<string, ExpectedRow> {
    return this.#rows.get(model) ?? new Map()
  }

  #row(model: ModelName, key: string): ExpectedRow {
    const rows = this.#rows.get(model) as Map<string, ExpectedRow>
    const known = rows.get(key)
    if (known !== undefined) return known
    const row: ExpectedRow = { sums: new Map(), set: undefined, writes: 0, doubtful: 0 }
    rows.set(key, row)
    return row
  }
}

/** Of a change, and of a row of the database. */
export function rowKey(key: object): string {
  return Object.values(key).join('\0')
}
