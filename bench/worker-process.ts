import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { models } from '../generated/write-behind.js'
import type { Policies } from '../src/index.js'
import type { Addresses } from './stage.js'

export interface WorkerSetup extends Addresses {
  readonly design: 'write-behind' | 'naive'
  readonly namespace: string
  readonly policies: Policies<typeof models>
}

export type Order = 'start' | 'report'

export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'started' }
  /** The delay of the event loop since the start, in ms. */
  | { readonly kind: 'delay'; readonly p99: number }

const ENTRY = fileURLToPath(new URL('worker.ts', import.meta.url))

/** A worker in a process of its own, as it is deployed. */
export class WorkerProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Resolves when the worker is connected. It flushes after `start`. */
  static async spawn(setup: WorkerSetup): Promise<WorkerProcess> {
    const env = { ...process.env, BENCH_WORKER: JSON.stringify(setup) }
    const child = spawn(process.execPath, ['--import', 'tsx', ENTRY], { stdio: ['ignore', 2, 2, 'ipc'], env })
    const worker = new WorkerProcess(child)
    await worker.#answer('ready')
    return worker
  }

  async start(): Promise<void> {
    this.#child.send('start' satisfies Order)
    await this.#answer('started')
  }

  /** Resolves to the p99 of the event loop delay since the start, in ms. */
  async delay(): Promise<number> {
    this.#child.send('report' satisfies Order)
    const report = await this.#answer('delay')
    return report.kind === 'delay' ? report.p99 : Number.NaN
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }

  #answer(kind: Report['kind']): Promise<Report> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the worker process ended (exit code ${code}) before it was ${kind}`))
      this.#child.once('exit', onExit)
      this.#child.once('message', (report: Report) => {
        this.#child.off('exit', onExit)
        if (report.kind === kind) resolve(report)
        else reject(new Error(`expected the worker process to say ${kind}, got ${report.kind}`))
      })
    })
  }
}
