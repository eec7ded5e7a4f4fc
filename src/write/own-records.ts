/** Remembers which records a process has written, so that it can flush them when it closes. */

/** How many keys of a shard are remembered. If there are more, the whole shard is flushed. */
const MAX_KEYS = 250

/** Keys of records of one shard; `all` if they are too many to name. */
export type Owned = readonly string[] | 'all'

/**
 * The records of one shard that this process has written and that may not be in the database yet. Some may already be there, because a writer learns
 * of a flush only when a later write finds the shard clean. Every record that this process has written and that is not in the database is among them,
 * except refused records.
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

  /** Forgets all records, because each is in the database now or parked. */
  clear(): void {
    this.#areTooMany = false
    this.#keys.clear()
  }
}
