import { getHeapStatistics } from 'node:v8'
import { PersistError } from '../errors.js'

/** Bytes of heap that a byte of changes may take, from its decoding until its statement is answered. */
const HEAP_OF_A_BYTE = 16
/** Bytes, whatever the heap: the longest text of V8 has 512 MiB, and Prisma and the driver make one of a statement's parameters. */
const MAX_KEYS = 64 * 2 ** 20

/**
 * What the batches of this process may weigh together, by the bytes of their changes: one heap serves all models. A batch waits until there is
 * room for it. One that is too heavy alone is not decoded at all: that would end the process, and so would the next one that tries.
 */
export class MemoryBudget {
  readonly most: number
  #free: number
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []

  constructor(heap = getHeapStatistics().heap_size_limit) {
    this.most = Math.min(MAX_KEYS, Math.floor(heap / HEAP_OF_A_BYTE))
    this.#free = this.most
  }

  /** Why this process cannot carry so many bytes of a model's changes. */
  refusal(model: string, bytes: number): PersistError | undefined {
    if (bytes <= this.most) return undefined
    const message = `${model}: expected changes of at most ${this.most} bytes, which the heap of this worker can carry, got ${bytes} bytes`
    return new PersistError('REFUSED', message, undefined, { model })
  }

  /** @param bytes that may be carried */
  async carry<T>(bytes: number, task: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || bytes > this.#free) await new Promise<void>((begin) => this.#waiting.push({ bytes, begin }))
    else this.#free -= bytes
    try {
      return await task()
    } finally {
      this.#free += bytes
      this.#next()
    }
  }

  /** In order, so that a heavy one is not passed for ever. */
  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && first.bytes <= this.#free; first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#free -= first.bytes
      first.begin()
    }
  }
}

/** Of this process. */
export const memoryBudget = new MemoryBudget()
