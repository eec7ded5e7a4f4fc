import { splitKey } from '../../model/key.js'
import type { Field, Model } from '../../model/model.js'
import { ArrayLiteral } from './array-literal.js'
import { arrayType, type Column, columnsOf, quoteLedger } from './columns.js'

/** The query that reads rows of one model by their keys, and the ledger of the same moment. */
export class SnapshotQuery {
  /** Parameters: the ledger's shard, then the keys' columns. */
  readonly sql: string
  /** Where the values of a row are, by field; the key's are left out. */
  readonly fields: readonly { readonly field: Field; readonly alias: string }[]
  readonly #keys: readonly Column[]

  constructor(model: Model) {
    const { keys, plain } = columnsOf(model)
    this.#keys = keys
    this.fields = plain.map(({ field, inserted }) => ({ field, alias: inserted }))
    this.sql = textOf(model, keys, plain)
  }

  /**
   * The keys' columns.
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
}

function textOf(model: Model, keys: readonly Column[], plain: readonly Column[]): string {
  const { table, shard, batch } = quoteLedger(model)
  const ledger = `(select ${batch} from ${table} where ${shard} = $1::text)`
  const values = plain.map(({ quoted, inserted }) => `, t.${quoted} as ${inserted}`).join('')
  const arrays = keys.map(({ field }, n) => `(select $${n + 2}::${arrayType(field)})`).join(', ')
  const names = keys.map(({ inserted }) => inserted).join(', ')
  const found = keys.map(({ quoted, inserted }) => `t.${quoted} = k.${inserted}`).join(' and ')
  return `select ${ledger} as ledger, k.n::int as n, t.${keys[0]?.quoted} is not null as found${values}
from unnest(${arrays}) with ordinality as k(${names}, n) left join ${model.table} t on ${found}`
}
