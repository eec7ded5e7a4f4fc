/** Limits the memory that the decoded batches of a process take together. */
import { getHeapStatistics } from 'node:v8'
import { PersistError } from '../errors.js'

/** Bytes of heap that one byte of changes may need, from its decoding until its statement is answered. */
const HEAP_OF_A_BYTE = 16
/**
 * The upper limit in bytes, however large the heap is. A string of V8 has at most 512 MiB, and Prisma and the driver turn all parameters of a
 * statement into one string.
 */
const MAX_BYTES = 64 * 2 ** 20

/**
 * Counts the bytes of changes of all batches that this process has decoded. One budget serves all models, because they share one heap. A
 * batch waits until there is room for it. A batch that is too large for the whole budget is never decoded: it would end this process, and
 * then the next one that tries.
 */
export class MemoryBudget {
  /** Bytes. */
  readonly max: number
  #free: number
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []

  constructor(heap = getHeapStatistics().heap_size_limit) {
    this.max = Math.min(MAX_BYTES, Math.floor(heap / HEAP_OF_A_BYTE))
    this.#free = this.max
  }

  /** Why this process must not decode so many bytes of a model's changes; `undefined` if it can. */
  refusal(model: string, bytes: number): PersistError | undefined {
    if (bytes <= this.max) return undefined
    const message = `${model}: expected changes of at most ${this.max} bytes, which the heap of this worker can carry, got ${bytes} bytes; start a worker with a larger --max-old-space-size`
    return new PersistError('REFUSED', message, undefined, { model })
  }

  /**
   * Runs the task when there is room for it.
   * @param bytes at most `max`
   */
  async run<T>(bytes: number, task: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || bytes > this.#free) await new Promise<void>((begin) => this.#waiting.push({ bytes, begin }))
    else this.#free -= bytes
    try {
      return await task()
    } finally {
      this.#free += bytes
      this.#next()
    }
  }

  /** Begins waiting tasks in their order, so that small ones do not pass a large one for ever. */
  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && first.bytes <= this.#free; first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#free -= first.bytes
      first.begin()
    }
  }
}

/** The budget of this process. */
export const memoryBudget = new MemoryBudget()
