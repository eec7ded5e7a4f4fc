import { setTimeout as sleep } from 'node:timers/promises'
import { OutcomeUnknownError, WriteBehindError } from '../../src/index.js'
import type { DemoCache } from './cache.js'
import { type Change, write } from './change.js'
import type { Expectation, ExpectedRow } from './expectation.js'

const MAX_IN_FLIGHT = 1000
const RETRY_PAUSE = 200
/** An error with one of these codes says that nothing was stored. */
const RETRIED = new Set(['UNAVAILABLE', 'BACKLOG_FULL', 'REDIS_FULL'])

/**
 * Sends changes in order, with a bounded number in flight, and keeps the expectation. It sends a change that was not stored again. Newer changes of
 * the record may have overtaken it by then, so it then carries the record's newest values. The order of amounts does not matter.
 */
export class Sender {
  sent = 0
  acknowledged = 0
  retried = 0
  /** Changes that may or may not have been stored. */
  unknown = 0
  /** Changes that were still not stored at the end. */
  abandoned = 0
  readonly #cache: DemoCache
  readonly #expectation: Expectation
  readonly #onError: (error: Error) => void
  #inFlight = 0
  #isStopped = false
  #wake: () => void = () => {}

  /** @param onError hears of errors that a retry does not heal */
  constructor(cache: DemoCache, expectation: Expectation, onError: (error: Error) => void) {
    this.#cache = cache
    this.#expectation = expectation
    this.#onError = onError
  }

  /** Resolves when another change may be sent, or when `wake` is called. */
  async slot(): Promise<void> {
    if (this.#inFlight >= MAX_IN_FLIGHT) await this.#next()
  }

  wake(): void {
    this.#wake()
  }

  send(change: Change): void {
    this.sent++
    this.#inFlight++
    const row = this.#expectation.add(change)
    void this.#deliver(change, row).finally(() => {
      this.#inFlight--
      this.#wake()
    })
  }

  /** Resolves when no change is in flight. After `patience` ms it gives up changes that are still refused. */
  async stop(patience: number): Promise<void> {
    const giveUp = setTimeout(() => {
      this.#isStopped = true
    }, patience)
    while (this.#inFlight > 0) await this.#next()
    clearTimeout(giveUp)
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  async #deliver(change: Change, row: ExpectedRow): Promise<void> {
    for (let issued = change; ; issued = { ...change, set: row.set } as Change) {
      try {
        await write(this.#cache, issued)
        this.acknowledged++
        return
      } catch (error) {
        const isRetried = error instanceof WriteBehindError && RETRIED.has(error.code)
        if (!isRetried || this.#isStopped) return this.#lose(change, error as Error)
        this.retried++
        await sleep(RETRY_PAUSE)
      }
    }
  }

  #lose(change: Change, error: Error): void {
    this.#expectation.doubt(change)
    if (error instanceof OutcomeUnknownError) {
      this.unknown++
      return
    }
    this.abandoned++
    this.#onError(error)
  }
}
