/** Adapts the size of the next batches to the speed of the database. */
import type { BatchLimits } from '../redis/replies.js'

/** The highest number of bytes of changes in one batch. It limits the size of a script's work, of a reply and of a statement. */
const MAX_BYTES = 4 * 1024 * 1024
/** Ms that a statement should take at most, because it keeps its locks for that time, and delays the acknowledgement. */
const TARGET = 500

/**
 * Decides how much the next batch may have. If a statement takes longer than the target, the number of records is halved, unless the batch was
 * smaller than that already. If the batch was full and its statement takes less than half of the target, the number is doubled again, up to the
 * policy's `batchSize`.
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
