/** Adapts the size of the next batches to the speed of the database. */
import type { BatchLimits } from '../redis/replies.js'

/** Bytes of changes in one batch: they limit what one script, one reply and one statement hold. */
const MAX_BYTES = 4 * 1024 * 1024
/** Ms that a statement should take at most: for so long it holds locks, and an acknowledgement may be late. */
const TARGET = 500

/**
 * How much the next batch may hold. A statement that takes longer than the target halves the number of records, unless its batch was
 * smaller than that already. A full batch whose statement takes less than half of the target doubles the number again, up to the policy's
 * `batchSize`.
 */
export class BatchSize {
  readonly #max: number
  #records: number

  /** @param max the policy's `batchSize` */
  constructor(max: number) {
    this.#max = max
    this.#records = max
  }

  get limits(): BatchLimits {
    return { records: this.#records, bytes: MAX_BYTES }
  }

  /** @param statement ms that the database took, also for a statement that failed */
  adapt(records: number, statement: number): void {
    const half = Math.max(1, Math.floor(this.#records / 2))
    if (statement > TARGET && records > half) this.#records = half
    else if (statement < TARGET / 2 && records >= this.#records) this.#records = Math.min(this.#max, 2 * this.#records)
  }
}
