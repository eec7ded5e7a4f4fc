/** What a ledger row says. Every dialect stores these texts in it, in columns of its own types. */
import type { PersistOutcome } from './database.js'

export interface LedgerRow {
  /** The id of the last batch that moved the ledger. */
  readonly batch: string
  /** The ids of the batches before it, at most MAX_RECENT. */
  readonly recent: readonly string[]
}

/** Batches that a ledger row remembers besides the last one. */
export const MAX_RECENT = 16

/** What the ledger of a shard says about a batch whose statement did not move it. */
export function outcomeOf(ledger: LedgerRow | undefined, id: string): Exclude<PersistOutcome, { outcome: 'applied' }> {
  if (ledger !== undefined && holds(ledger, id)) return { outcome: 'applied before', ledger: ledger.batch }
  if (ledger?.batch === voidId(id)) return { outcome: 'void' }
  return { outcome: 'elsewhere', ledger: ledger?.batch ?? null }
}

/** Whether the batch was applied, as far as the ledger remembers. */
function holds({ batch, recent }: LedgerRow, id: string): boolean {
  return batch === id || recent.includes(id)
}

/** The text in the ledger when the rows that a batch replaces are deleted, and the other part of the batch is not written yet. */
export function deletesId(id: string): string {
  return `deletes:${id}`
}

/** The text in the ledger when a batch was refused. */
export function voidId(id: string): string {
  return `void:${id}`
}
