/** The names that the statements of a model use for its columns. */

import type { Operand } from '../../change/change.js'
import { plainFields } from '../../model/fields.js'
import type { Field, Ledger, Model } from '../../model/model.js'
import { quote, quoteTable } from './quote.js'

/** A column of the model's table, and the names of its values in the rows of a statement. */
export interface Column {
  readonly field: Field
  /** Name in the database, quoted. */
  readonly quoted: string
  /** Name of the inserted value, or of the value in the key. */
  readonly inserted: string
  /** Names of the operands of a change. */
  readonly operands: Readonly<Record<Operand, string>>
}

/** The columns of the key, in its order, and all others. */
export function columnsOf(model: Model): { keys: readonly Column[]; plain: readonly Column[] } {
  const columns = new Map(
    model.fields.map((field, n) => [field.name, { field, quoted: quote(field.column), inserted: `i${n}`, operands: operandNames(n) }]),
  )
  const named = (name: string) => columns.get(name) as Column
  return { keys: model.key.map(named), plain: plainFields(model).map(({ name }) => named(name)) }
}

/** The quoted names of a ledger. */
export function quoteLedger(ledger: Ledger): { table: string; shard: string; batch: string; recent: string } {
  return { table: quoteTable(ledger), shard: quote(ledger.shard), batch: quote(ledger.batch), recent: quote(ledger.recent) }
}

function operandNames(n: number): Column['operands'] {
  return { value: `c${n}`, amount: `c${n}`, lower: `l${n}`, upper: `u${n}` }
}
