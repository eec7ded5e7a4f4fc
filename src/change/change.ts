/** What a flush makes of a pending change. */
import { NULL } from '../model/codec.js'
import type { Field } from '../model/model.js'
import { isCounter } from '../model/scalars.js'

/** What a flush does to one row, without the texts. */
export interface ChangeShape {
  readonly kind: 'update' | 'upsert' | 'insert' | 'delete' | 'replace'
  /** One Mark for each field that is not in the key, in the order of the model. Empty if the row is only inserted or deleted. */
  readonly pattern: string
  /** Whether the changes follow from the inserted values, so that one INSERT … ON CONFLICT DO UPDATE is enough. */
  readonly regular: boolean
}

/** A change with its texts: what to insert if the row is missing, and what to change if it is there. */
export interface RecordChange extends ChangeShape {
  /** The stored texts of the inserted row, in the order of the pattern. Empty if no row is inserted. */
  readonly insert: readonly string[]
  /** The operands of the marks, one after the other (operandsOf). */
  readonly values: readonly string[]
}

/**
 * What a change does to a field: `.` nothing · `=` sets it · `+` increments it · `^` increments it, then raises it to at least a bound · `_` increments it, then
 * lowers it to at most a bound · `[` and `]` do both. A null becomes the lower bound with `[`, and the upper one with `]`.
 */
export type Mark = '.' | '=' | '+' | '^' | '_' | '[' | ']'
export type Operand = 'value' | 'amount' | 'lower' | 'upper'

const OPERANDS: Readonly<Record<Mark, readonly Operand[]>> = {
  '.': [],
  '=': ['value'],
  '+': ['amount'],
  '^': ['lower'],
  _: ['upper'],
  '[': ['lower', 'upper'],
  ']': ['lower', 'upper'],
}
const BOUNDED = '^_[]'

/** How many operands the mark has. A bound of a counter has an amount, too. */
export function operandsOf(mark: Mark, field: Field): readonly Operand[] {
  return BOUNDED.includes(mark) && isCounter(field) ? ['amount', ...OPERANDS[mark]] : OPERANDS[mark]
}

/** Whether a missing row is inserted. */
export function isInserting({ kind }: ChangeShape): boolean {
  return kind !== 'update' && kind !== 'delete'
}

/** Whether the change has operands besides the inserted values. */
export function isChanging({ kind, regular }: ChangeShape): boolean {
  return kind === 'update' || !regular
}

/** The texts that the statement needs. */
export function textsOf(change: RecordChange): readonly string[] {
  if (!isChanging(change)) return change.insert
  return isInserting(change) ? [...change.insert, ...change.values] : change.values
}

/** The value of a field in an inserted row before the pending change: its constant default; without one 0 for a required counter, and null otherwise. */
export function startOf(field: Field): string {
  if (field.default?.kind === 'value') return field.default.value
  return isCounter(field) && !field.nullable ? '0' : NULL
}

/** The number from which a regular increment starts in an inserted row. */
export function counterStart(start: string): string {
  return start === NULL ? '0' : start
}
