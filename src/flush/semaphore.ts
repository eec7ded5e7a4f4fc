/** Limits how many tasks run at a time. */
export class Semaphore {
  #free: number
  readonly #waiting: (() => void)[] = []

  /** @param max the highest number of tasks that run at a time */
  constructor(max: number) {
    this.#free = max
  }

  /** Runs the task as soon as a place is free. Tasks that wait begin in their order. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free--
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
