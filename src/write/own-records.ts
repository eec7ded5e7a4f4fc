/** Keys that are remembered of a shard. */
const MAX_KEYS = 250

/** Records of one shard, by their keys; `all`: too many to name them. */
export type Owned = readonly string[] | 'all'

/**
 * The records of one shard that this process has written, and that may not be in the database yet. It may name some that are: nobody tells a
 * writer of a flush, but that the shard was found clean. It never lacks one that is not, short of those that the database refuses.
 */
export class OwnRecords {
  readonly #keys = new Set<string>()
  #areTooMany = false

  get owned(): Owned {
    return this.#areTooMany ? 'all' : [...this.#keys]
  }

  add(key: string): void {
    if (this.#areTooMany) return
    this.#keys.add(key)
    if (this.#keys.size <= MAX_KEYS) return
    this.#areTooMany = true
    this.#keys.clear()
  }

  /** What was written before is in the database, or parked. */
  clear(): void {
    this.#areTooMany = false
    this.#keys.clear()
  }
}
