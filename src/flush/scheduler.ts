/** Schedules the flush jobs of a model. */
import { ErrorCode, type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { ResolvedPolicy } from '../options.js'
import { queuePrefix } from '../redis/keys.js'
import type { Stoppable } from '../service.js'
import type { QueueTelemetry } from '../telemetry/queue-telemetry.js'
import { BACKOFF, deduplicationId, type FlushJob, type FlushJobData, isAsMade, jobName, PARKED_PRIORITY, readJobData } from './job.js'
import { type QueueState, readQueueState } from './queue-state.js'

export interface FailedJob {
  readonly job: FlushJob
  readonly data: FlushJobData
}

export interface FailedJobs {
  readonly jobs: readonly FailedJob[]
  /** Whether there may be others that BullMQ has not kept. */
  readonly more: boolean
}

/** The job that has a deduplication key. */
interface Owner {
  readonly id: string
  readonly state: string
  /** `undefined` if this library has not made it, or not with these options. */
  readonly job: FlushJob | undefined
}

/** Completed jobs of a model that stay on the board. */
export const KEPT_COMPLETED = 100
/** Failed jobs of a model that stay on the board. */
export const KEPT_FAILED = 1000
/** Events of a queue that BullMQ keeps for listeners. Nobody reads further back. */
const KEPT_EVENTS = 1000
/** Bytes. A job whose data, options or name are longer is not made by this library, and is not read. */
const MAX_READ = 65_536
/** BullMQ scores a delayed job by its time in ms, multiplied by this. */
const SCORE_FACTOR = 0x1000

/**
 * Schedules flushes as delayed jobs. BullMQ deduplicates them: at most one job waits and one runs for each shard, each dirty record
 * (`jobs: 'record'`) and each parked record.
 */
export class Scheduler implements Stoppable {
  readonly queue: Queue<FlushJobData, Record<string, unknown>>
  readonly #model: string
  readonly #policy: ResolvedPolicy
  readonly #connection: Redis

  constructor(namespace: string, model: string, policy: ResolvedPolicy, connection: Redis, telemetry: QueueTelemetry) {
    this.#model = model
    this.#policy = policy
    this.#connection = connection
    this.queue = new Queue(queueName(namespace, model), {
      connection,
      prefix: queuePrefix(namespace),
      streams: { events: { maxLen: KEPT_EVENTS } },
      ...telemetry,
    })
  }

  /**
   * Schedules the flush of a shard that a write has made dirty.
   * @param keys the records that were clean, with `jobs: 'record'`; none if a parked record was written again
   */
  async wake(shard: number, keys: readonly string[]): Promise<void> {
    const { jobs, debounce } = this.#policy
    if (jobs === 'shard' || keys.length === 0) await this.wakeShard(shard, debounce)
    else await this.wakeRecords(shard, new Map(keys.map((key) => [key, debounce])))
  }

  async wakeShard(shard: number, delay: number): Promise<void> {
    await this.#add({ kind: 'shard', model: this.#model, shard }, delay)
  }

  /** @param delays ms by key */
  async wakeRecords(shard: number, delays: ReadonlyMap<string, number>): Promise<void> {
    const jobs = [...delays].map(([key, delay]) => this.#job({ kind: 'record', model: this.#model, shard, key }, delay))
    if (jobs.length > 0) await this.queue.addBulk(jobs)
  }

  /** Schedules the first retry of parked records, each after a back-off of its own. */
  async wakeParked(shard: number, keys: readonly string[]): Promise<void> {
    const jobs = keys.map((key) => this.#job({ kind: 'parked', model: this.#model, shard, key }, backoffDelay(this.#policy, 1)))
    if (jobs.length > 0) await this.queue.addBulk(jobs)
  }

  /**
   * Adds the job unless an equal one will run. A job that waits longer than `maxWait` is promoted.
   * @param maxWait ms that a job of this kind may wait
   */
  async ensure(data: FlushJobData, delay: number, maxWait = this.#policy.maxBackoff): Promise<void> {
    const owner = await this.#owner(data)
    if (owner === undefined) await this.#add(data, delay)
    else if (owner.job !== undefined && owner.state === 'delayed' && (await this.#waits(owner.id)) > maxWait)
      await unlessGone(owner.job.promote())
  }

  /**
   * Does the same for a shard that is overdue. A job that waits for a time yet to come was scheduled by another clock, or by another
   * policy.
   */
  async hasten(data: FlushJobData): Promise<void> {
    const owner = await this.#owner(data)
    if (owner === undefined) return this.#add(data, 0)
    const { job, state, id } = owner
    if (job === undefined || state !== 'delayed') return
    // A job that has failed before waits for the database to come back.
    if (job.attemptsMade === 0 || (await this.#waits(id)) > this.#policy.maxBackoff) await unlessGone(job.promote())
  }

  /** The newest failed jobs of this library. */
  async failed(max: number): Promise<FailedJobs> {
    const ids = await this.queue.getRanges(['failed'], 0, max - 1)
    const found = await Promise.all(ids.map((id) => this.#read(id)))
    // The list may be shorter than what is kept, because other workers take jobs off it meanwhile.
    return { jobs: found.filter((each) => each !== undefined), more: ids.length > max / 2 }
  }

  /**
   * @param redis the connection to ask, where the queue's own one, which waits for Redis, does not do
   * @throws ioredis' errors
   */
  state(redis = this.#connection): Promise<QueueState> {
    return readQueueState(redis, (name) => this.queue.toKey(name))
  }

  async stop(): Promise<void> {
    await this.queue.close()
  }

  /**
   * The job that has the deduplication key and will run. A key without such a job is removed, because BullMQ would drop the next job for
   * it. So is a job that has the key and is not as this library makes it.
   */
  async #owner(data: FlushJobData): Promise<Owner | undefined> {
    const deduplication = deduplicationId(data)
    const id = await this.queue.getDeduplicationJobId(deduplication)
    if (id === null || id === undefined) return undefined
    const state = await this.queue.getJobState(id)
    if (state !== 'unknown' && state !== 'completed' && state !== 'failed') {
      const found = await this.#read(id)
      const isOurs = found !== undefined && deduplicationId(found.data) === deduplication && isAsMade(found.data, found.job)
      // An active job is left alone, because its worker has locked it.
      if (isOurs || state === 'active') return { id, state, job: found?.job }
      await unlessGone(this.queue.remove(id, { removeChildren: false }))
    }
    await this.queue.removeDeduplicationKey(deduplication)
    return undefined
  }

  /** A job of this library; `undefined` for any other. */
  async #read(id: string): Promise<FailedJob | undefined> {
    try {
      const key = this.queue.toKey(id)
      const sizes = await Promise.all(['data', 'opts', 'name'].map((field) => this.#connection.hstrlen(key, field)))
      if (sizes.some((size) => size > MAX_READ)) return undefined
      const job = (await this.queue.getJob(id)) as FlushJob | undefined
      const data = readJobData(job?.data, this.#model, this.#policy.shards)
      return job === undefined || data === undefined ? undefined : { job, data }
    } catch {
      // The key is not a hash, or the data is not JSON.
      return undefined
    }
  }

  /** Ms until a delayed job runs. */
  async #waits(id: string): Promise<number> {
    const score = await this.#connection.zscore(this.queue.toKey('delayed'), id)
    return Number(score ?? 0) / SCORE_FACTOR - Date.now()
  }

  async #add(data: FlushJobData, delay: number): Promise<void> {
    const { name, opts } = this.#job(data, delay)
    await this.queue.add(name, data, opts)
  }

  #job(data: FlushJobData, delay: number): { name: string; data: FlushJobData; opts: JobsOptions } {
    const opts: JobsOptions = {
      delay: Math.ceil(delay),
      deduplication: { id: deduplicationId(data), keepLastIfActive: true },
      attempts: this.#policy.attempts,
      backoff: { type: BACKOFF },
      stackTraceLimit: 1,
      // The others do not wait for the retries of thousands of refused records.
      ...(data.kind === 'parked' ? { priority: PARKED_PRIORITY } : {}),
      removeOnComplete: { count: KEPT_COMPLETED },
      removeOnFail: { count: KEPT_FAILED },
    }
    return { name: jobName(data), data, opts }
  }
}

/** Changes a job, and does nothing if another worker or an operator has removed, moved or locked it meanwhile. */
export async function unlessGone(change: Promise<unknown>): Promise<void> {
  await change.catch((error: Error & { code?: number }) => {
    const isGone = error.code === ErrorCode.JobNotExist || error.code === ErrorCode.JobNotInState || error.message.includes('is locked')
    if (!isGone) throw error
  })
}

export function queueName(namespace: string, model: string): string {
  return `${namespace}.${model}`
}

/** Ms before the next attempt: exponential, capped at `maxBackoff`, with a jitter that takes off up to one half. */
export function backoffDelay(policy: Pick<ResolvedPolicy, 'backoff' | 'maxBackoff'>, attemptsMade: number): number {
  const delay = Math.min(policy.backoff * 2 ** Math.min(attemptsMade - 1, 30), policy.maxBackoff)
  return Math.round(delay * (0.5 + Math.random() / 2))
}
