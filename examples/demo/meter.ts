import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoCache } from './cache.js'
import { LagHistogram } from './lag.js'
import type { Figures } from './progress.js'
import type { Sender } from './sender.js'
import type { WorkerMessage } from './worker-process.js'

export interface Totals {
  readonly rows: number
  readonly dirty: number
  readonly parked: number
  /** In ms. */
  readonly overdue: number
}

const STATUS_TIMEOUT = 5000

/** Measures what this process and the worker flushed, how late they flushed it, and how often a flush failed. */
export class Meter {
  readonly lags = new LagHistogram()
  /** Flushes that failed. Each of them was tried again. */
  failedFlushes = 0
  readonly #cache: DemoCache
  #recentLags = new LagHistogram()

  constructor(cache: DemoCache) {
    this.#cache = cache
    cache.events.on('flushed', ({ lags }) => this.hear({ kind: 'flushed', lags }))
    cache.events.on('failure', ({ step, error }) => this.hear({ kind: 'failure', step, message: error.message }))
  }

  /** Takes a message of the worker. */
  hear(message: WorkerMessage): void {
    if (message.kind === 'failure' && message.step === 'flush') this.failedFlushes++
    if (message.kind !== 'flushed') return
    for (const lag of message.lags) {
      this.lags.add(lag)
      this.#recentLags.add(lag)
    }
  }

  /** Sums up the status of all models. @throws Error when Redis does not answer */
  async totals(): Promise<Totals> {
    const models = await answered(this.#cache.status(), STATUS_TIMEOUT)
    const sum = (field: 'rows' | 'dirty' | 'parked') => models.reduce((total, model) => total + model[field], 0)
    return { rows: sum('rows'), dirty: sum('dirty'), parked: sum('parked'), overdue: Math.max(...models.map(({ overdue }) => overdue)) }
  }

  /** Tells the figures of this moment. Its lag is the 99th percentile since the last call, or how long a record is overdue, if that is longer. */
  async figures({ acknowledged, unknown, abandoned }: Sender): Promise<Figures> {
    const { rows, dirty, parked, overdue } = await this.totals()
    const lag = Math.max(this.#recentLags.percentile(0.99), overdue)
    this.#recentLags = new LagHistogram()
    return { acknowledged, rowsWritten: rows, lag, dirty, failed: this.failedFlushes + unknown + abandoned, parked }
  }
}

/** @throws Error when the task takes longer than `timeout` ms, because some calls wait without end for a Redis that is away */
export async function answered<T>(task: Promise<T>, timeout: number): Promise<T> {
  const timer = new AbortController()
  const late = sleep(timeout, undefined, { signal: timer.signal }).then(() => {
    throw new Error('Redis does not answer')
  })
  return Promise.race([task, late]).finally(() => timer.abort())
}
