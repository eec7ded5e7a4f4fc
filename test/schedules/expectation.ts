/** What a read may see. It must see every write that was acknowledged before it began, and no write that began after it ended. */

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
    const min = this.acknowledged
    const value = await read()
    if (value < min || value > this.issued) throw new Error(`expected to read ${min} to ${this.issued}, read ${value}`)
  }
}

/** A record that one writer writes, with its states in their order. */
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
    if (!possible.includes(value)) throw new Error(`expected to read ${possible.join(' or ')}, read ${String(value)}`)
  }
}
