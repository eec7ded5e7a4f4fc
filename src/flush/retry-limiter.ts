/** Records refused for one reason that are tried by themselves within a window. */
const MAX_TRIES = 10
/** Ms. */
const WINDOW = 1000
/** Ms of the pause for each record that is parked in the shard, and at most. */
const PAUSE_EACH = 40
const LONGEST_PAUSE = 300_000

/**
 * Thousands of records that are refused for the same reason would keep a worker busy with nothing but their retries. Some of them are tried in their
 * stead: where one comes through, it brings along the others.
 */
export class RetryLimiter {
  /** Times of the last refusals, of performance.now(). */
  readonly #refusals = new Map<string, number[]>()

  /** @param crowd a shard and a reason */
  mayTry(crowd: string): boolean {
    return this.#recent(crowd).length < MAX_TRIES
  }

  refused(crowd: string): void {
    this.#refusals.set(crowd, [...this.#recent(crowd), performance.now()])
  }

  #recent(crowd: string): number[] {
    const recent = (this.#refusals.get(crowd) ?? []).filter((time) => time > performance.now() - WINDOW)
    if (recent.length === 0) this.#refusals.delete(crowd)
    return recent
  }
}

/** Ms, so that the jobs of a shard come one after the other, however many records are parked. */
export function pauseOf(parked: number, least: number): number {
  return Math.round(Math.max(least, Math.min(LONGEST_PAUSE, parked * PAUSE_EACH)) * (0.5 + Math.random() / 2))
}
