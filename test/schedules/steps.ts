import type fc from 'fast-check'
import type { SqlClient } from '../../src/database/postgresql/database.js'
import type { LoadReply } from '../../src/redis/replies.js'
import type { Store } from '../../src/redis/store.js'

const METHODS = new Set<PropertyKey>([
  'write',
  'claim',
  'acknowledge',
  'split',
  'park',
  'read',
  'load',
  'isInFlight',
  'hold',
  'release',
  'invalidate',
])

/** A load that has to read again does so after a pause of at most 50 ms. */
const LONGEST_PAUSE = 200

/** What happens to a step besides: nothing, its reply is lost, or the process that took it dies. */
export type Fault = 'none' | 'lost' | 'crash'

/**
 * Makes every script and every statement a step that fast-check's scheduler releases. A step that was released runs to its end, and what
 * follows from it waits for its own release, before the next one is chosen: so the order is the scheduler's alone.
 */
export class Steps {
  readonly #scheduler: fc.Scheduler
  readonly #faults: Fault[]
  #running = 0
  /** Steps that are certain to come after a pause. */
  #owed = 0
  #free = false

  constructor(scheduler: fc.Scheduler, faults: readonly Fault[]) {
    this.#scheduler = scheduler
    this.#faults = [...faults]
  }

  /** Lets all further steps pass. */
  open(): void {
    this.#free = true
  }

  /** Resolves when nothing goes on but steps that wait for their release. */
  async settle(): Promise<void> {
    const deadline = performance.now() + LONGEST_PAUSE
    do {
      await new Promise((resolve) => setImmediate(resolve))
    } while (this.#running > 0 || (this.#owed > 0 && performance.now() < deadline))
    this.#owed = 0
    await new Promise((resolve) => setImmediate(resolve))
  }

  store(store: Store, crash?: () => void): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        const method = (...args: unknown[]) => value.apply(target, args) as Promise<unknown>
        return METHODS.has(name) ? (...args: unknown[]) => this.step(String(name), () => method(...args), crash) : method
      },
    })
  }

  /** @param look after every statement that may have written */
  client(client: SqlClient, look: () => Promise<void>, crash?: () => void): SqlClient {
    return {
      $queryRawUnsafe: <T>(sql: string, ...values: unknown[]): Promise<T> => {
        const writes = sql.startsWith('with fence')
        const run = async () => {
          const result = await client.$queryRawUnsafe<T>(sql, ...values)
          if (writes) await look()
          return result
        }
        return this.step(writes ? 'persist' : 'select', run, crash) as Promise<T>
      },
    }
  }

  /** @param crash told when the process of this step dies; left out, it cannot */
  async step(name: string, run: () => Promise<unknown>, crash?: () => void): Promise<unknown> {
    if (this.#free) return run()
    if (this.#owed > 0) this.#owed--
    await this.#scheduler.schedule(Promise.resolve(name), name)
    const fault = this.#faults.shift() ?? 'none'
    const result = await this.#run(run)
    // A reader may learn late what it read. A writer or flusher that learns late is one that goes on late.
    if (name === 'load' || name === 'read') await this.#scheduler.schedule(Promise.resolve(name), `reply to ${name}`)
    if (fault === 'crash' && crash !== undefined) {
      crash()
      return new Promise(() => {})
    }
    // Calls of the application are repeated; a flush ends, and its batch is for the next.
    if (fault === 'lost') throw new Error('Connection terminated unexpectedly')
    if (name === 'load' && (result as LoadReply).rows.includes(undefined)) this.#owed++
    return result
  }

  async #run(run: () => Promise<unknown>): Promise<unknown> {
    this.#running++
    try {
      return await run()
    } finally {
      await this.#nextMillisecond()
      this.#running--
    }
  }

  /** So that due times have the order of the steps. */
  async #nextMillisecond(): Promise<void> {
    const now = Date.now()
    while (Date.now() <= now) await new Promise((resolve) => setImmediate(resolve))
  }
}
