/** What a pending change comes to when it is flushed. */
import { NULL } from '../model/codec.js'
import type { Field } from '../model/model.js'
import { isCounter } from '../model/scalars.js'

/** What a flush does to one row, whatever the texts are. */
export interface ChangeShape {
  readonly kind: 'update' | 'upsert' | 'insert' | 'delete' | 'replace'
  /** A Mark a field, in the order of the model's fields without its key. Empty where nothing is changed but the whole row. */
  readonly pattern: string
  /** Whether what is changed follows from what is inserted, so that one INSERT … ON CONFLICT DO UPDATE says both. */
  readonly regular: boolean
}

/** With its texts: what to insert if the row is missing, and what to change if it is there. */
export interface RecordChange extends ChangeShape {
  /** Stored texts of the inserted row, in the order of the pattern; empty if none is inserted. */
  readonly insert: readonly string[]
  /** What the marks take, one after the other: see operandsOf. */
  readonly values: readonly string[]
}

/**
 * What is done to a field: `.` nothing · `=` it is set · `+` incremented · `^` incremented, then at least · `_` incremented, then at most ·
 * `[` `]` between both; a null becomes the lower one, the upper one.
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

/** What a change of this mark takes: a bound of a counter an amount, too. */
export function operandsOf(mark: Mark, field: Field): readonly Operand[] {
  return BOUNDED.includes(mark) && isCounter(field) ? ['amount', ...OPERANDS[mark]] : OPERANDS[mark]
}

/** Whether a row is inserted where it is missing. */
export function isInserting({ kind }: ChangeShape): boolean {
  return kind !== 'update' && kind !== 'delete'
}

/** Whether what is changed has to be told besides what is inserted. */
export function isChanging({ kind, regular }: ChangeShape): boolean {
  return kind === 'update' || !regular
}

/** The texts that say it all. */
export function textsOf(change: RecordChange): readonly string[] {
  if (!isChanging(change)) return change.insert
  return isInserting(change) ? [...change.insert, ...change.values] : change.values
}

/** What a field holds in an inserted row before the pending change: its constant default, else null, or 0 for a required counter. */
export function startOf(field: Field): string {
  if (field.default?.kind === 'value') return field.default.value
  return isCounter(field) && !field.nullable ? '0' : NULL
}

/** The number that a regular increment starts from in an inserted row. */
export function counterStart(start: string): string {
  return start === NULL ? '0' : start
}
