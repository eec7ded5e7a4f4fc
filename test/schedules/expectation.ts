/** What a read may see: every write that was acknowledged before the read began, and no write that began after the read ended. */

/** A counter that several writers add to. */
export class Sum {
  acknowledged = 0n
  issued = 0n

  async add(amount: number, write: () => Promise<void>): Promise<void> {
    this.issued += BigInt(amount)
    await write()
    this.acknowledged += BigInt(amount)
  }

  /** Throws unless what `read` resolves to is possible. */
  async check(read: () => Promise<bigint>): Promise<void> {
    const least = this.acknowledged
    const value = await read()
    if (value < least || value > this.issued) throw new Error(`read ${value}, where ${least} to ${this.issued} is possible`)
  }
}

/** A record whose states follow one another, written by one writer. */
export class History<T> {
  readonly #states: T[]
  #acknowledged = 0

  constructor(first: T) {
    this.#states = [first]
  }

  get last(): T {
    return this.#states.at(-1) as T
  }

  async append(state: T, write: () => Promise<void>): Promise<void> {
    const position = this.#states.push(state) - 1
    await write()
    this.#acknowledged = position
  }

  async check(read: () => Promise<T>): Promise<void> {
    const first = this.#acknowledged
    const value = await read()
    const possible = this.#states.slice(first)
    if (!possible.includes(value)) throw new Error(`read ${String(value)}, where ${possible.join(' or ')} is possible`)
  }
}
