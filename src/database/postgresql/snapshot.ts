import { splitKey } from '../../model/key.js'
import type { Model } from '../../model/model.js'
import { ArrayLiteral } from './array-literal.js'
import { type Column, columnsOf, quoteLedger } from './columns.js'
import { quoteTable } from './quote.js'
import { arrayType, readerOf } from './types.js'

/** The query that reads rows of one model by their keys, together with the ledger, at one moment. */
export class SnapshotQuery {
  /** Its parameters are the ledger's shard, then the columns of the keys. */
  readonly sql: string
  readonly #plain: readonly { readonly alias: string; readonly read: (value: unknown) => string }[]
  readonly #keys: readonly Column[]

  constructor(model: Model) {
    const { keys, plain } = columnsOf(model)
    this.#keys = keys
    this.#plain = plain.map(({ field, inserted }) => ({ alias: inserted, read: readerOf(model, field) }))
    this.sql = textOf(model, keys, plain)
  }

  /**
   * The columns of the keys.
   * @param keepsZone see TimeZones
   */
  columns(keys: readonly string[], keepsZone: boolean): string[] {
    const split = keys.map(splitKey)
    return this.#keys.map(({ field }, n) => {
      const elements = new ArrayLiteral(field, keepsZone)
      for (const texts of split) elements.add(texts[n] as string)
      return elements.toString()
    })
  }

  /**
   * Stored texts of a row that was found, without its key.
   * @throws InvalidInputError if the row holds what the model cannot
   */
  values(row: Record<string, unknown>): string[] {
    return this.#plain.map(({ alias, read }) => read(row[alias]))
  }
}

function textOf(model: Model, keys: readonly Column[], plain: readonly Column[]): string {
  const { table, shard, batch } = quoteLedger(model.ledger)
  const ledger = `(select ${batch} from ${table} where ${shard} = $1::text)`
  const values = plain.map(({ quoted, inserted }) => `, t.${quoted} as ${inserted}`).join('')
  const arrays = keys.map(({ field }, n) => `(select $${n + 2}::${arrayType(field)})`).join(', ')
  const names = keys.map(({ inserted }) => inserted).join(', ')
  const found = keys.map(({ quoted, inserted }) => `t.${quoted} = k.${inserted}`).join(' and ')
  return `select ${ledger} as ledger, k.n::int as n, t.${keys[0]?.quoted} is not null as found${values}
from unnest(${arrays}) with ordinality as k(${names}, n) left join ${quoteTable(model)} t on ${found}`
}
