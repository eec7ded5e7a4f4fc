/** What the statements of a model call its columns, and the types of their parameters. */

import { isCounter, type Operand } from '../../change/change.js'
import { plainFields } from '../../model/fields.js'
import type { Field, Model } from '../../model/model.js'

export interface Column {
  readonly field: Field
  /** Its name in the database, quoted. */
  readonly quoted: string
  /** Name in a part's rows of the inserted value (or the key). */
  readonly inserted: string
  /** And of what the change takes. */
  readonly operands: Readonly<Record<Operand, string>>
}

/** Those of the key, in its order, and the others. */
export function columnsOf(model: Model): { keys: readonly Column[]; plain: readonly Column[] } {
  const columns = new Map(
    model.fields.map((field, n) => [field.name, { field, quoted: quote(field.column), inserted: `i${n}`, operands: operandNames(n) }]),
  )
  const named = (name: string) => columns.get(name) as Column
  return { keys: model.key.map(named), plain: plainFields(model).map(({ name }) => named(name)) }
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

export function quoteLedger({ ledger }: Pick<Model, 'ledger'>): { table: string; shard: string; batch: string; recent: string } {
  return { table: ledger.table, shard: quote(ledger.shard), batch: quote(ledger.batch), recent: quote(ledger.recent) }
}

/** Lists travel as the text of an array, since arrays of arrays are no lists; Json as text; counters as bigint, since a sum may leave the column's type. */
export function arrayType(field: Field): string {
  return `${field.list || field.type === 'Json' ? 'text' : isCounter(field) ? 'bigint' : field.sqlType}[]`
}

export function cast(field: Field, expression: string): string {
  if (field.list) return `${expression}::${field.sqlType}[]`
  return field.type === 'Json' ? `${expression}::${field.sqlType}` : expression
}

function operandNames(n: number): Column['operands'] {
  return { value: `c${n}`, amount: `c${n}`, lower: `l${n}`, upper: `u${n}` }
}
