import { randomBytes } from 'node:crypto'
import { Dashboard } from '../../dashboard/server.js'
import { type OpenCache, openCache } from './cache.js'
import { Expectation } from './expectation.js'
import { injectFaults } from './faults.js'
import { answered, Meter } from './meter.js'
import { type DemoOptions, faultSeconds, UsageError, wrong } from './options.js'
import { Progress, ratio } from './progress.js'
import { replay } from './replay.js'
import { formatReport, isGood, type Result } from './report.js'
import { Sender } from './sender.js'
import { type GivenServers, type Servers, startServers } from './servers.js'
import { countRequests, LogTraffic, SyntheticTraffic, type Traffic } from './traffic.js'
import { type Verdict, verify } from './verifier.js'
import { WorkerProcess } from './worker-process.js'

/** After the input has ended, its writes have this many ms to be acknowledged. */
const PATIENCE = 60_000
/** After that, their changes have this many ms to reach the database. */
const DRAIN_TIMEOUT = 120_000

/** Resolves to true when all records agree with the input. @param ctrlC ends the input @throws UsageError */
export async function runDemo(options: DemoOptions, given: GivenServers, ctrlC: AbortSignal): Promise<boolean> {
  if (options.databaseOutage > 0 && given.databaseUrl) {
    throw new UsageError(
      '--database-outage: expected a PostgreSQL that the demo starts itself, got one in DATABASE_URL, which the demo must not stop; unset DATABASE_URL',
    )
  }
  const servers = await startServers(given, `${Date.now().toString(36)}_${randomBytes(3).toString('hex')}`)
  let isGoodRun = false
  try {
    const open = await openCache(servers)
    try {
      isGoodRun = await new Demo(options, servers, open, ctrlC).run()
    } finally {
      await open.close()
    }
  } finally {
    for (const left of await servers.stop(!isGoodRun))
      process.stderr.write(`the run failed, so the demo left this for you to look at: ${left}\n`)
  }
  return isGoodRun
}

/** One run: replay → drain → verify → report. */
class Demo {
  readonly #options: DemoOptions
  readonly #ctrlC: AbortSignal
  readonly #servers: Servers
  readonly #open: OpenCache
  readonly #traffic: Traffic
  readonly #expectation = new Expectation()
  readonly #sender: Sender
  readonly #meter: Meter
  readonly #progress: Progress
  readonly #worker: WorkerProcess
  #workerDeaths = 0
  #error: string | null = null

  constructor(options: DemoOptions, servers: Servers, open: OpenCache, ctrlC: AbortSignal) {
    this.#options = options
    this.#ctrlC = ctrlC
    this.#servers = servers
    this.#open = open
    this.#traffic = options.log === undefined ? new SyntheticTraffic(options.seed) : new LogTraffic(options.log, options.once)
    this.#sender = new Sender(open.cache, this.#expectation, (error) => this.#fail(error))
    this.#meter = new Meter(open.cache)
    this.#progress = new Progress(options.json ? process.stderr : process.stdout, () => this.#meter.figures(this.#sender))
    this.#worker = new WorkerProcess(servers, {
      onMessage: (message) => this.#meter.hear(message),
      onDeath: (how) => {
        this.#workerDeaths++
        this.#progress.note(`the worker died (${how}); the demo starts another one`)
      },
    })
  }

  async run(): Promise<boolean> {
    const dashboard = new Dashboard({ cache: this.#open.cache, port: this.#options.port })
    try {
      this.#progress.note(`dashboard: ${await this.#listen(dashboard)}`)
      await this.#worker.start()
      this.#progress.start()
      const seconds = await timed(() => this.#replay())
      const drainSeconds = await timed(() => this.#drain())
      this.#progress.stop()
      await this.#worker.stop()
      const verdicts = await verify(this.#open.prisma, this.#expectation)
      return this.#report(await this.#result(verdicts, seconds, drainSeconds), verdicts)
    } finally {
      this.#progress.stop()
      await this.#worker.stop()
      await dashboard.stop()
    }
  }

  async #listen(dashboard: Dashboard): Promise<string> {
    try {
      return await dashboard.start()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      throw wrong('--port', 'a port that is free', String(this.#options.port))
    }
  }

  /** Replays the input and injects the faults. Resolves when both have ended and every write is answered. */
  async #replay(): Promise<void> {
    const { rate, duration } = await this.#pace()
    const { seconds } = this.#options
    const input = new AbortController()
    const end = () => input.abort()
    const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000)
    this.#ctrlC.addEventListener('abort', end)
    if (this.#ctrlC.aborted) end()
    const faults = injectFaults(this.#options, duration, this.#faultTargets(), this.#ctrlC)
    await replay(this.#traffic.changes(), this.#sender, rate, input.signal).catch((error) => this.#fail(error))
    clearTimeout(timer)
    await Promise.all([faults, this.#sender.stop(PATIENCE)])
  }

  /** Decides the rate of the replay, and how many seconds it takes, so that the faults come in its middle. */
  async #pace(): Promise<{ rate: number | undefined; duration: number }> {
    const { log, once, rate, seconds, killWorker, databaseOutage } = this.#options
    if (!killWorker && databaseOutage === 0) return { rate, duration: 0 }
    const wanted = faultSeconds(databaseOutage)
    if (log === undefined || !once) return { rate, duration: seconds ?? wanted }
    const requests = await countRequests(log)
    if (rate !== undefined) return { rate, duration: Math.min(seconds ?? Number.POSITIVE_INFINITY, requests / rate) }
    const duration = seconds ?? wanted
    this.#progress.note(`the replay of ${requests} requests is slowed to ${duration} s, so that the faults come in its middle`)
    return { rate: Math.max(1, requests / duration), duration }
  }

  #faultTargets() {
    return {
      killWorker: () => this.#worker.kill(),
      stopDatabase: async () => this.#servers.outage?.begin(),
      startDatabase: async () => this.#servers.outage?.end(),
      note: (text: string) => this.#progress.note(text),
    }
  }

  /** Flushes all dirty records while the worker flushes too. The comparison finds what neither of them could flush. */
  async #drain(): Promise<void> {
    const flushed = this.#open.cache.flush({ timeout: DRAIN_TIMEOUT })
    await answered(flushed, DRAIN_TIMEOUT + 5000).catch((error) => this.#fail(error))
  }

  async #result(verdicts: readonly Verdict[], seconds: number, drainSeconds: number): Promise<Result> {
    const { rows, parked } = await this.#meter.totals()
    const { sent, acknowledged, unknown, abandoned, retried } = this.#sender
    const sum = (field: 'mismatches' | 'expected') => verdicts.reduce((total, verdict) => total + verdict[field], 0)
    return {
      requests: sent,
      acknowledged,
      rowsWritten: rows,
      coalescing: ratio(acknowledged, rows),
      mismatches: sum('mismatches'),
      lagP50Ms: this.#meter.lags.percentile(0.5),
      lagP99Ms: this.#meter.lags.percentile(0.99),
      skipped: this.#traffic.skipped,
      unknown,
      abandoned,
      retried,
      parked,
      failedFlushes: this.#meter.failedFlushes,
      workerDeaths: this.#workerDeaths,
      records: sum('expected'),
      seconds,
      drainSeconds,
      error: this.#error,
    }
  }

  #report(result: Result, verdicts: readonly Verdict[]): boolean {
    this.#progress.note(formatReport(result, verdicts))
    if (this.#options.json) process.stdout.write(`${JSON.stringify(result)}\n`)
    return isGood(result)
  }

  /** Keeps the first failure, because no other field of the result shows it. */
  #fail(error: Error): void {
    this.#error ??= error.message
  }
}

/** Resolves to the seconds that the task took, rounded to hundredths. */
async function timed(task: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await task()
  return Math.round((performance.now() - started) / 10) / 100
}
