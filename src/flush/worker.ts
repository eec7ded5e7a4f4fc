/** Runs the flush jobs of a model. */
import { DelayedError, type Job, UnrecoverableError } from 'bullmq'
import type { Redis } from 'ioredis'
import { PersistError, UnavailableError } from '../errors.js'
import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import { redact } from '../redaction.js'
import { problemOf } from '../redis/connection.js'
import { queuePrefix, type ShardNames } from '../redis/keys.js'
import { isReply, named } from '../redis/refusal.js'
import type { ParkedEntry } from '../redis/replies.js'
import { disconnect } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'
import type { Service } from '../service.js'
import type { QueueTelemetry } from '../telemetry/queue-telemetry.js'
import { Consumer } from './consumer.js'
import { within } from './deadline.js'
import type { Flusher } from './flusher.js'
import { type FlushJob, type FlushJobData, isAsMade, MAX_BATCHES_IN_A_JOB, readJobData } from './job.js'
import { parkedKeys, retryTogether } from './parked-records.js'
import { isDeadly } from './quarantine.js'
import { type FlushReport, sentence, summary } from './report.js'
import { RetryLimiter, retryPause } from './retry-limiter.js'
import { backoffDelay, KEPT_COMPLETED, KEPT_FAILED, queueName, type Scheduler } from './scheduler.js'

/**
 * Ms that a shard rests after a flush at most; it rests for a debounce if that is shorter. Without the rest, steady writing would always
 * have something due, and batches would be as small as they are quick.
 */
const MAX_REST = 250
/** Records refused for one reason that get a job at once. The sweeper gives the others theirs. */
const MAX_WOKEN = 100
/** Ms. The job of a killed worker starts again within the sum of these two. */
const LOCK_DURATION = 5000
const STALLED_INTERVAL = 2000

const CARRIED = 'another batch carried this record'

export interface WorkerContext {
  readonly namespace: string
  readonly model: string
  readonly policy: Pick<ResolvedPolicy, 'batchSize' | 'debounce' | 'backoff' | 'maxBackoff'>
  readonly concurrency: number
  /** Ms that a start waits for Redis. */
  readonly timeout: number
  readonly shards: ShardNames
  readonly store: Pick<Store, 'now' | 'due' | 'status' | 'parkedEntry' | 'parkedPage'>
  readonly flusher: Pick<Flusher, 'flush'>
  readonly scheduler: Pick<Scheduler, 'queue' | 'wakeShard' | 'wakeRecords' | 'wakeParked'>
  readonly events: Pick<Events, 'emit'>
  readonly queueTelemetry: QueueTelemetry
  connect(): Redis
}

/** Runs the flush jobs of one model. A job may come late, twice, or for nothing, because it finds in Redis what there is to do. */
export class FlushWorker implements Service {
  readonly #context: WorkerContext
  #starting: Promise<void> | undefined
  #consumer: Consumer | undefined
  #connection: Redis | undefined
  /** The shards, each with a reason, whose parked records are retried together now. */
  readonly #healing = new Set<string>()
  readonly #retryLimiter = new RetryLimiter()
  #stopping = false

  constructor(context: WorkerContext) {
    this.#context = context
  }

  /**
   * Resolves when the worker listens. After a failure it can be started again.
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
      // These two hold for jobs that somebody has added without the options.
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

  /**
   * Resolves when the jobs under way have ended. It does not wait for them if Redis is away, and never resolves if Redis goes away
   * meanwhile.
   */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#consumer?.close(this.#connection?.status !== 'ready')
  }

  /** Ends the worker at once, and so releases whoever waits for `stop`. */
  async abandon(): Promise<void> {
    await this.#consumer?.abandon()
    if (this.#connection !== undefined) disconnect(this.#connection)
  }

  async #run(job: FlushJob): Promise<Record<string, unknown>> {
    const data = await this.#check(job)
    try {
      return await this.#flushAsTold(job, data)
    } catch (thrown) {
      // BullMQ decides by the class of the error what becomes of the job.
      if (thrown instanceof DelayedError) throw thrown
      const error = redact(thrown) as Error
      // A job with other options is not tried again, because they might start it again at once, for ever.
      if (!isAsMade(data, job)) throw new UnrecoverableError(error.message)
      // The board shows the stack of every attempt. The first line is enough for a failure of the database.
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
   * Checks the data of a job, because anybody who reaches Redis can add and change jobs.
   * @throws UnrecoverableError
   */
  async #check({ data, repeatJobKey }: Job): Promise<FlushJobData> {
    const { model, shards, scheduler } = this.#context
    const wants = `{ kind: 'shard' | 'record' | 'parked', model: '${model}', shard: 0 … ${shards.count - 1}, key of that shard for the last two }`
    // A job that repeats would come for ever.
    if (repeatJobKey !== undefined) {
      await scheduler.queue.removeJobScheduler(repeatJobKey)
      throw new UnrecoverableError(`expected ${wants}, got a job that repeats; its scheduler is removed`)
    }
    const read = readJobData(data, model, shards.count)
    if (read !== undefined) return read
    // The message does not quote the data, because it may be anything, of any length.
    throw new UnrecoverableError(`expected ${wants}, got something else`)
  }

  async #flushShard(job: FlushJob, shard: number): Promise<Record<string, unknown>> {
    const report = await this.#flush(job, shard)
    if (report.wait !== undefined) await this.#context.scheduler.wakeShard(shard, Math.max(report.wait, this.#rest(report)))
    return summary(report)
  }

  async #flushRecord(job: FlushJob, shard: number, key: string): Promise<Record<string, unknown>> {
    const { store, shards, scheduler } = this.#context
    if ((await store.due(shards.prefix(shard), key)) === undefined) return nothingToDo(job, CARRIED)
    const report = await this.#flush(job, shard)
    const due = await store.due(shards.prefix(shard), key)
    if (due === undefined && report.batches === 0) return nothingToDo(job, CARRIED)
    if (due !== undefined && due !== Number.POSITIVE_INFINITY)
      report.stillDirty.set(key, Math.max(0, due - (await store.now(shards.prefix(shard)))))
    await scheduler.wakeRecords(shard, report.stillDirty)
    return summary(report)
  }

  async #flush(job: FlushJob, shard: number): Promise<FlushReport> {
    const { store, flusher, scheduler, shards } = this.#context
    // The time is fixed, because records that become due meanwhile would keep the job going, with ever smaller batches.
    const report = await flusher.flush(shard, { due: await store.now(shards.prefix(shard)) }, MAX_BATCHES_IN_A_JOB)
    const woken = [...report.newlyParked.values()].flatMap((keys) => keys.slice(0, MAX_WOKEN))
    await scheduler.wakeParked(shard, woken)
    await job.log(sentence(report))
    return report
  }

  /** Ms that the shard rests before its next flush. */
  #rest({ complete, batches, putOff }: FlushReport): number {
    return complete && batches + putOff > 0 ? Math.min(this.#context.policy.debounce, MAX_REST) : 0
  }

  async #retryParked(job: FlushJob, shard: number, key: string): Promise<Record<string, unknown>> {
    const { store, shards, flusher } = this.#context
    const entry = await store.parkedEntry(shards.prefix(shard), key)
    if (entry === undefined) return nothingToDo(job, 'the record is not parked any more')
    if (isDeadly(entry)) throw new PersistError('REFUSED', `${entry.reason}; flush it by its key to try it again`, undefined)
    const group = `${shard} ${entry.reason}`
    if (!this.#retryLimiter.mayTry(group)) await this.#putOff(job, shard)
    const report = await flusher.flush(shard, { key })
    await job.log(sentence(report))
    const refusal = report.parked.get(key)
    if (refusal !== undefined) {
      this.#retryLimiter.noteRefusal(group)
      throw refusal
    }
    if (report.unparked.includes(key)) await this.#heal(job, shard, entry.reason)
    return summary(report)
  }

  /** @throws DelayedError */
  async #putOff(job: FlushJob, shard: number): Promise<never> {
    const { store, shards, policy } = this.#context
    const { parked } = await store.status(shards.prefix(shard))
    await job.moveToDelayed(Date.now() + retryPause(parked, policy.maxBackoff), job.token)
    throw new DelayedError()
  }

  /**
   * Retries the records that were refused for the same reason as one that came through now, because the same remedy may have mended them.
   * It goes on as long as most of them come through.
   */
  async #heal(job: FlushJob, shard: number, reason: string): Promise<void> {
    const { store, shards, flusher, policy } = this.#context
    const group = `${shard} ${reason}`
    if (this.#healing.has(group)) return
    this.#healing.add(group)
    const isWanted = (entry: ParkedEntry) => entry.reason === reason && !isDeadly(entry)
    let healed = 0
    try {
      for await (const keys of parkedKeys(store, shards.prefix(shard), isWanted, policy.batchSize)) {
        const refused = await retryTogether((each) => flusher.flush(shard, { keys: each }), keys)
        healed += keys.length - refused.size
        if (2 * refused.size > keys.length || this.#stopping) break
      }
    } finally {
      this.#healing.delete(group)
    }
    if (healed > 0) await job.log(`flushed ${healed} other parked records that had been refused for the same reason`)
  }
}

/** Ends a job that has nothing to do. */
async function nothingToDo(job: FlushJob, note: string): Promise<Record<string, unknown>> {
  await job.log(note)
  return { note }
}
