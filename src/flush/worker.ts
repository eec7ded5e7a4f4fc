import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { PersistError, UnavailableError } from '../errors.js'
import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import { redact } from '../redaction.js'
import { problemOf } from '../redis/connection.js'
import { queuePrefix, type ShardNames } from '../redis/keys.js'
import { isReply, named } from '../redis/refusal.js'
import { disconnect } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'
import type { QueueTelemetry } from '../telemetry/queue-telemetry.js'
import { within } from './barrier.js'
import type { Flusher } from './flusher.js'
import { type FlushJob, type FlushJobData, isAsMade, MAX_BATCHES_IN_A_JOB, readJobData } from './job.js'
import { parkedKeys, retryTogether } from './parked-records.js'
import { isDeadly } from './quarantine.js'
import { type FlushReport, sentence, summary } from './report.js'
import { pauseOf, RetryLimiter } from './retry-limiter.js'
import { backoffDelay, KEPT_COMPLETED, KEPT_FAILED, queueName, type Scheduler } from './scheduler.js'

/**
 * A shard is flushed again after a debounce, but after so many ms at the latest: under steady writing something is always due, or seems so, and
 * batches would be as small as they are quick.
 */
const LONGEST_REST = 250
/** Records refused for one reason that get a job at once: the sweeper gives the others theirs. */
const MAX_WOKEN = 100
/** A killed worker's job starts again within the sum of both, ms. */
const LOCK_DURATION = 5000
const STALLED_INTERVAL = 2000
/** After an error that Redis answers with, ms: BullMQ asks again at once, thousands of times a second where the queue is broken. */
const REST_AFTER_ERROR = 1000

const CARRIED = 'another batch carried this record'

/** BullMQ's, which would wait for ever for a connection that it has told to end while it was reconnecting. */
class Consumer extends Worker<FlushJobData, Record<string, unknown>> {
  #resting: NodeJS.Timeout | undefined

  /** Fetches no job for a while. */
  rest(): void {
    if (this.closing !== undefined || this.isPaused()) return
    void this.pause(true)
    this.#resting = setTimeout(() => {
      if (this.closing === undefined) void this.resume()
    }, REST_AFTER_ERROR)
  }

  override async close(force?: boolean): Promise<void> {
    clearTimeout(this.#resting)
    await super.close(force)
  }

  /** A job that cannot be read has no data, so that it fails by itself: thrown, the error would stop the queue for a while, again and again. */
  protected override createJob(stored: Parameters<Worker['createJob']>[0], id: string): FlushJob {
    try {
      return super.createJob(stored, id)
    } catch {
      return super.createJob({ ...stored, data: 'null' }, id)
    }
  }

  /** Ends its timers and connections at once. Jobs under way are another worker's when their locks have expired. */
  async abandon(): Promise<void> {
    // Does nothing if it is closing.
    void this.close(true)
    await this.lockManager.close()
    await this.backend.close(true)
  }
}

export interface WorkerContext {
  readonly namespace: string
  readonly model: string
  readonly policy: ResolvedPolicy
  readonly concurrency: number
  /** Ms that a start waits for Redis. */
  readonly timeout: number
  readonly shards: ShardNames
  readonly store: Store
  readonly flusher: Flusher
  readonly scheduler: Scheduler
  readonly events: Events
  readonly queueTelemetry: QueueTelemetry
  connect(): Redis
}

/** Runs the flush jobs of one model. What a job finds to do is in Redis; it may come late, twice, or for nothing. */
export class FlushWorker {
  readonly #context: WorkerContext
  #starting: Promise<void> | undefined
  #consumer: Consumer | undefined
  #connection: Redis | undefined
  /** Shards and reasons. */
  readonly #healing = new Set<string>()
  readonly #retryLimiter = new RetryLimiter()
  #stopping = false

  constructor(context: WorkerContext) {
    this.#context = context
  }

  /**
   * Resolves when it listens; after a failure it can be started again.
   * @throws UnavailableError
   */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error) => {
      const problem = (this.#connection && problemOf(this.#connection)) ?? error
      await this.abandon()
      this.#starting = this.#consumer = this.#connection = undefined
      throw new UnavailableError(this.#context.model, named(problem))
    })
    return this.#starting
  }

  async #start(): Promise<void> {
    const { namespace, model, policy, concurrency, timeout, events, queueTelemetry } = this.#context
    this.#connection = this.#context.connect()
    this.#consumer = new Consumer(queueName(namespace, model), (job) => this.#run(job), {
      connection: this.#connection,
      prefix: queuePrefix(namespace),
      concurrency,
      lockDuration: LOCK_DURATION,
      stalledInterval: STALLED_INTERVAL,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      // Of jobs that do not say it.
      removeOnFail: { count: KEPT_FAILED },
      removeOnComplete: { count: KEPT_COMPLETED },
      ...queueTelemetry,
      settings: { backoffStrategy: (attemptsMade) => backoffDelay(policy, attemptsMade) },
    })
    const consumer = this.#consumer
    consumer.on('error', (error) => {
      if (isReply(error)) consumer.rest()
      events.emit('failure', { step: 'queue', model, error })
    })
    this.#consumer.on('failed', (_, error) => events.emit('failure', { step: 'flush', model, error }))
    await within(performance.now() + timeout, this.#consumer.waitUntilReady())
  }

  /** Resolves when the jobs under way have ended, or without them if Redis is away; if it goes away meanwhile, never. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#consumer?.close(this.#connection?.status !== 'ready')
  }

  /** Lets go of what a stop waits for. */
  async abandon(): Promise<void> {
    await this.#consumer?.abandon()
    if (this.#connection !== undefined) disconnect(this.#connection)
  }

  async #run(job: FlushJob): Promise<Record<string, unknown>> {
    const data = await this.#check(job)
    try {
      return await this.#flushAsTold(job, data)
    } catch (thrown) {
      // BullMQ tells by the class what is to become of the job.
      if (thrown instanceof DelayedError) throw thrown
      const error = redact(thrown) as Error
      // By options that are not ours it might be tried again at once, for ever.
      if (!isAsMade(data, job)) throw new UnrecoverableError(error.message)
      // The board shows the stack of every attempt: for a failure of the database the first line says it all.
      if (error instanceof PersistError) error.stack = `${error.name}: ${error.message}`
      throw error
    }
  }

  #flushAsTold(job: FlushJob, data: FlushJobData): Promise<Record<string, unknown>> {
    switch (data.kind) {
      case 'shard':
        return this.#flushShard(job, data.shard)
      case 'record':
        return this.#flushRecord(job, data.shard, data.key)
      case 'parked':
        return this.#retryParked(job, data.shard, data.key)
    }
  }

  /**
   * Whoever reaches Redis can add jobs, and change them.
   * @throws UnrecoverableError
   */
  async #check({ data, repeatJobKey }: Job): Promise<FlushJobData> {
    const { model, shards, scheduler } = this.#context
    const wants = `{ kind: 'shard' | 'record' | 'parked', model: '${model}', shard: 0 … ${shards.count - 1}, key of that shard for the last two }`
    // It would come again and again.
    if (repeatJobKey !== undefined) {
      await scheduler.queue.removeJobScheduler(repeatJobKey)
      throw new UnrecoverableError(`expected ${wants}, got a job that repeats; its scheduler is removed`)
    }
    const read = readJobData(data, model, shards.count)
    if (read !== undefined) return read
    // What came may be anything, and as long as one likes.
    throw new UnrecoverableError(`expected ${wants}, got something else`)
  }

  async #flushShard(job: FlushJob, shard: number): Promise<Record<string, unknown>> {
    const report = await this.#flush(job, shard)
    if (report.wait !== undefined) await this.#context.scheduler.wakeShard(shard, Math.max(report.wait, this.#rest(report)))
    return summary(report)
  }

  async #flushRecord(job: FlushJob, shard: number, key: string): Promise<Record<string, unknown>> {
    const { store, shards, scheduler } = this.#context
    if ((await store.due(shards.prefix(shard), key)) === undefined) return carried(job, CARRIED)
    const report = await this.#flush(job, shard)
    const due = await store.due(shards.prefix(shard), key)
    if (due === undefined && report.batches === 0) return carried(job, CARRIED)
    if (due !== undefined && due !== Number.POSITIVE_INFINITY) report.stillDirty.set(key, Math.max(0, due - (await store.now())))
    await scheduler.wakeRecords(shard, report.stillDirty)
    return summary(report)
  }

  async #flush(job: FlushJob, shard: number): Promise<FlushReport> {
    const { store, flusher } = this.#context
    // What becomes due meanwhile would keep the job going, with ever smaller batches.
    const report = await flusher.flush(shard, { due: await store.now() }, MAX_BATCHES_IN_A_JOB)
    const woken = [...report.newlyParked.values()].flatMap((keys) => keys.slice(0, MAX_WOKEN))
    await this.#context.scheduler.wakeParked(shard, woken)
    await job.log(sentence(report))
    return report
  }

  #rest({ complete, batches, putOff }: FlushReport): number {
    return complete && batches + putOff > 0 ? Math.min(this.#context.policy.debounce, LONGEST_REST) : 0
  }

  async #retryParked(job: FlushJob, shard: number, key: string): Promise<Record<string, unknown>> {
    const { store, shards, flusher } = this.#context
    const entry = await store.parkedEntry(shards.prefix(shard), key)
    if (entry === undefined) return carried(job, 'the record is not parked any more')
    if (isDeadly(entry)) throw new PersistError('REFUSED', `${entry.reason}; flush it by its key to try it again`, undefined)
    const crowd = `${shard} ${entry.reason}`
    if (!this.#retryLimiter.mayTry(crowd)) await this.#putOff(job, shard)
    const report = await flusher.flush(shard, { key })
    await job.log(sentence(report))
    const refusal = report.parked.get(key)
    if (refusal !== undefined) {
      this.#retryLimiter.refused(crowd)
      throw refusal
    }
    if (report.unparked.includes(key)) await this.#heal(job, shard, entry.reason)
    return summary(report)
  }

  /** @throws DelayedError */
  async #putOff(job: FlushJob, shard: number): Promise<never> {
    const { store, shards, policy } = this.#context
    const { parked } = await store.status(shards.prefix(shard))
    await job.moveToDelayed(Date.now() + pauseOf(parked, policy.maxBackoff), job.token)
    throw new DelayedError()
  }

  /** What mended a record may have mended those that were refused for the same reason: they go on as long as most of them come through. */
  async #heal(job: FlushJob, shard: number, reason: string): Promise<void> {
    const { store, shards, flusher, policy } = this.#context
    const healing = `${shard} ${reason}`
    if (this.#healing.has(healing)) return
    this.#healing.add(healing)
    let healed = 0
    try {
      for await (const keys of parkedKeys(
        store,
        shards.prefix(shard),
        (entry) => entry.reason === reason && !isDeadly(entry),
        policy.batchSize,
      )) {
        const refused = await retryTogether((each) => flusher.flush(shard, { keys: each }), keys)
        healed += keys.length - refused.size
        if (2 * refused.size > keys.length || this.#stopping) break
      }
    } finally {
      this.#healing.delete(healing)
    }
    if (healed > 0) await job.log(`${healed} others that were refused for the same reason came through, too`)
  }
}

async function carried(job: FlushJob, note: string): Promise<Record<string, unknown>> {
  await job.log(note)
  return { note }
}
