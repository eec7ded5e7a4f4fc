import type { BatchLimits } from '../redis/replies.js'

/** Of the changes in one batch: it bounds what one script, one reply and one statement hold. */
const MAX_BYTES = 4 * 1024 * 1024
/** Ms that a statement should take at most: so long it holds locks, and so long an acknowledgement may be late. */
const TARGET = 500

/**
 * How much the next batch may hold. A statement that took longer than the target halves the records, unless its batch had fewer than that
 * anyway; one that took less than half of it, although its batch was full, doubles them again, up to the policy's most.
 */
export class BatchSize {
  readonly #most: number
  #records: number

  /** @param most the policy's `batchSize` */
  constructor(most: number) {
    this.#most = most
    this.#records = most
  }

  get limits(): BatchLimits {
    return { records: this.#records, bytes: MAX_BYTES }
  }

  /** @param statement ms that the database took, also if it failed */
  adapt(records: number, statement: number): void {
    const half = Math.max(1, Math.floor(this.#records / 2))
    if (statement > TARGET && records > half) this.#records = half
    else if (statement < TARGET / 2 && records >= this.#records) this.#records = Math.min(this.#most, 2 * this.#records)
  }
}
