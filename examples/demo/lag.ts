/** Each bucket is 2 % wider than the one before, so percentiles are exact to 2 %. */
const FACTOR = 1.02

/** Computes percentiles of any number of lags in bounded memory. */
export class LagHistogram {
  readonly #buckets = new Map<number, number>()
  #count = 0

  /** @param lag in ms */
  add(lag: number): void {
    const bucket = Math.round(Math.log(lag + 1) / Math.log(FACTOR))
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1)
    this.#count++
  }

  /** Returns ms, or 0 when no lag was added. @param share is 0.99 for the 99th percentile */
  percentile(share: number): number {
    let left = Math.ceil(this.#count * share)
    for (const [bucket, count] of [...this.#buckets].sort(([a], [b]) => a - b)) {
      left -= count
      if (left <= 0) return Math.round(FACTOR ** bucket - 1)
    }
    return 0
  }
}
