import type { Change } from './change.js'

/** What one row must contain. A sum is a range when some of its writes have an unknown outcome. */
export interface ExpectedRow {
  readonly sums: Map<string, { low: number; high: number }>
  /** The newest values. Undefined when all writes were increments. */
  set: Change['set']
  writes: number
  /** How many of its writes may or may not have been stored. If there are any, the row may still have earlier values. */
  doubtful: number
}

export type ModelName = Change['model']

export const MODEL_NAMES: readonly ModelName[] = ['pageView', 'reading', 'player', 'counter']

/** Computes from the input alone what the database must contain at the end. It grows with the number of records, not of writes. */
export class Expectation {
  readonly #rows = new Map(MODEL_NAMES.map((name) => [name, new Map<string, ExpectedRow>()]))

  /** Call it for every change, in the order in which the changes are sent. */
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

  /** Call it for a change that was added and may or may not have been stored. */
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

/** Makes the same text from a change's key and from the key of its row in the database. */
export function rowKey(key: object): string {
  return Object.values(key).join('\0')
}
