/** Limits how often a worker retries records that were refused for the same reason. */

/** The number of refused retries within a window. After that, the other retries are delayed. */
const MAX_REFUSALS = 10
/** Ms. */
const WINDOW = 1000
/** Ms by which a retry is delayed for each record that is parked in the shard. */
const PAUSE_PER_RECORD = 40
/** Ms by which a retry is delayed at most, unless the policy's back-off is longer. */
const MAX_PAUSE = 300_000

/**
 * Thousands of records may be refused for one reason. Their retries alone would keep a worker busy. So only some of them are tried. If one of them
 * succeeds, the worker tries the others, too.
 */
export class RetryLimiter {
  /** Times of the last refusals by performance.now(), for each shard and reason. */
  readonly #refusals = new Map<string, number[]>()

  /** @param group a shard and a reason */
  mayTry(group: string): boolean {
    return this.#recent(group).length < MAX_REFUSALS
  }

  noteRefusal(group: string): void {
    this.#refusals.set(group, [...this.#recent(group), performance.now()])
  }

  #recent(group: string): number[] {
    const recent = (this.#refusals.get(group) ?? []).filter((time) => time > performance.now() - WINDOW)
    if (recent.length === 0) this.#refusals.delete(group)
    return recent
  }
}

/**
 * Returns the ms by which a retry is delayed, with jitter. The delay grows with the number of parked records, so that the jobs of a shard come one
 * after the other.
 * @param min ms, before the jitter
 */
export function retryPause(parked: number, min: number): number {
  return Math.round(Math.max(min, Math.min(MAX_PAUSE, parked * PAUSE_PER_RECORD)) * (0.5 + Math.random() / 2))
}
