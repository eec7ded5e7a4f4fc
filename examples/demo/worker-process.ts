import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Connections } from './cache.js'

/** A message that the worker sends to the demo. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'flushed'; readonly lags: readonly number[] }
  | { readonly kind: 'failure'; readonly step: string; readonly message: string }

export interface WorkerListener {
  onMessage(message: WorkerMessage): void
  /** The worker died, and another one is started. */
  onDeath(how: string): void
}

const ENTRY = fileURLToPath(new URL('worker.ts', import.meta.url))
const RESTART_PAUSE = 250
/** After this many starts without success the demo gives up. */
const MAX_FAILED_STARTS = 5
const STOP_TIMEOUT = 20_000

/** Keeps one worker running in a process of its own, so that it can die as a deployed worker can. */
export class WorkerProcess {
  readonly #connections: Connections
  readonly #listener: WorkerListener
  #child: ChildProcess | undefined
  #running: Promise<void> | undefined
  #stopping = false

  constructor(connections: Connections, listener: WorkerListener) {
    this.#connections = connections
    this.#listener = listener
  }

  /** Resolves when the worker is ready. @throws Error when the worker cannot be started */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#running ??= this.#keep(resolve).catch(reject)
    })
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Lets the worker finish its work. After 20 s it is killed. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#child?.kill('SIGTERM')
    const force = setTimeout(() => this.kill(), STOP_TIMEOUT)
    await this.#running
    clearTimeout(force)
  }

  async #keep(onReady: () => void): Promise<void> {
    for (let failedStarts = 0; !this.#stopping; ) {
      let isReady = false
      const [code, signal] = await this.#run(() => {
        isReady = true
        onReady()
      })
      if (this.#stopping) return
      failedStarts = isReady ? 0 : failedStarts + 1
      if (failedStarts === MAX_FAILED_STARTS)
        throw new Error(
          `the worker did not start in ${MAX_FAILED_STARTS} attempts; the last one ended with ${signal ?? `exit code ${code}`}`,
        )
      this.#listener.onDeath(String(signal ?? `exit code ${code}`))
      await sleep(RESTART_PAUSE)
    }
  }

  async #run(onReady: () => void): Promise<[number | null, NodeJS.Signals | null]> {
    const { redisUrl, databaseUrl, namespace } = this.#connections
    const env = { ...process.env, REDIS_URL: redisUrl, DATABASE_URL: databaseUrl, DEMO_NAMESPACE: namespace }
    const child = spawn(process.execPath, ['--import', 'tsx', ENTRY], { stdio: ['ignore', 2, 2, 'ipc'], env })
    this.#child = child
    child.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') onReady()
      this.#listener.onMessage(message)
    })
    const [code, signal] = await once(child, 'exit')
    return [code, signal]
  }
}
