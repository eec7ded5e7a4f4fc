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
  /** Ms. */
  readonly overdue: number
}

const STATUS_TIMEOUT = 5000

/** Measures a run: what this process and the worker flushed, how late, and what failed. */
export class Meter {
  readonly lags = new LagHistogram()
  /** They are tried again. */
  failedFlushes = 0
  readonly #cache: DemoCache
  #recentLags = new LagHistogram()

  constructor(cache: DemoCache) {
    this.#cache = cache
    cache.events.on('flushed', ({ lags }) => this.hear({ kind: 'flushed', lags }))
    cache.events.on('failure', ({ step, error }) => this.hear({ kind: 'failure', step, message: error.message }))
  }

  /** What the worker says. */
  hear(message: WorkerMessage): void {
    if (message.kind === 'failure' && message.step === 'flush') this.failedFlushes++
    if (message.kind !== 'flushed') return
    for (const lag of message.lags) {
      this.lags.add(lag)
      this.#recentLags.add(lag)
    }
  }

  /** Of all models. @throws Error when Redis does not answer */
  async totals(): Promise<Totals> {
    const models = await answered(this.#cache.status(), STATUS_TIMEOUT)
    const sum = (field: 'rows' | 'dirty' | 'parked') => models.reduce((total, model) => total + model[field], 0)
    return { rows: sum('rows'), dirty: sum('dirty'), parked: sum('parked'), overdue: Math.max(...models.map(({ overdue }) => overdue)) }
  }

  /** Of this moment: the lag is that since the call before, or of what is waiting longer. */
  async figures({ acknowledged, unknown, abandoned }: Sender): Promise<Figures> {
    const { rows, dirty, parked, overdue } = await this.totals()
    const lag = Math.max(this.#recentLags.percentile(0.99), overdue)
    this.#recentLags = new LagHistogram()
    return { acknowledged, rowsWritten: rows, lag, dirty, failed: this.failedFlushes + unknown + abandoned, parked }
  }
}

/** @throws Error when that takes longer than `timeout` ms: calls on Redis wait for it for ever */
export async function answered<T>(task: Promise<T>, timeout: number): Promise<T> {
  const timer = new AbortController()
  const late = sleep(timeout, undefined, { signal: timer.signal }).then(() => {
    throw new Error('Redis does not answer')
  })
  return Promise.race([task, late]).finally(() => timer.abort())
}
