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
  /** There may be others that are not kept. */
  readonly more: boolean
}

/** What waits under the deduplication mark of an alarm. */
interface Holder {
  readonly id: string
  readonly state: string
  /** `undefined`: it is not ours, or not as we made it. */
  readonly job: FlushJob | undefined
}

/** Jobs of each kind that stay on the board after they completed. */
export const KEPT_COMPLETED = 100
export const KEPT_FAILED = 1000
/** BullMQ keeps the last events of a queue for listeners; nobody reads ours that far back. */
const KEPT_EVENTS = 1000
/** Of a job's text, bytes: more has none of ours, and is not read. */
const MAX_READ = 65_536
/** BullMQ's scores of delayed jobs are times in ms, shifted by so much. */
const SCORE_SHIFT = 0x1000

/** Sets the alarms of one model: delayed jobs, of which at most one waits and one runs for each shard, dirty record or parked record. */
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
   * Sets the alarm after a write has made the shard dirty.
   * @param keys the records that were clean, for jobs per record; none if it was a parked one that was written again
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

  /** Each after a wait of its own. */
  async wakeParked(shard: number, keys: readonly string[]): Promise<void> {
    const jobs = keys.map((key) => this.#job({ kind: 'parked', model: this.#model, shard, key }, backoffDelay(this.#policy, 1)))
    if (jobs.length > 0) await this.queue.addBulk(jobs)
  }

  /**
   * Adds the job unless one like it lives. A deduplication mark whose job is gone would swallow it: such a mark is removed, and so is whatever
   * else has the mark of our job.
   * @param longest that a job of this kind waits, ms; one that waits longer is hastened
   */
  async ensure(data: FlushJobData, delay: number, longest = this.#policy.maxBackoff): Promise<void> {
    const holder = await this.#holder(data)
    if (holder === undefined) await this.#add(data, delay)
    else if (holder.job !== undefined && holder.state === 'delayed' && (await this.#waits(holder.id)) > longest)
      await unlessGone(holder.job.promote())
  }

  /** As `ensure`, of what is overdue: a job that waits for a time yet to come was set by another clock, or another policy. */
  async hasten(data: FlushJobData): Promise<void> {
    const holder = await this.#holder(data)
    if (holder === undefined) return this.#add(data, 0)
    const { job, state, id } = holder
    if (job === undefined || state !== 'delayed') return
    // One that was tried waits for the database.
    if (job.attemptsMade === 0 || (await this.#waits(id)) > this.#policy.maxBackoff) await unlessGone(job.promote())
  }

  /** Failed jobs, newest first, without those that are not ours; and whether there may be more. */
  async failed(most: number): Promise<FailedJobs> {
    const ids = await this.queue.getRanges(['failed'], 0, most - 1)
    const found = await Promise.all(ids.map((id) => this.#read(id)))
    // Others take some off the list meanwhile.
    return { jobs: found.filter((each) => each !== undefined), more: ids.length > most / 2 }
  }

  /**
   * @param redis a connection that answers or fails, where that matters
   * @throws ioredis' errors
   */
  state(redis = this.#connection): Promise<QueueState> {
    return readQueueState(redis, (name) => this.queue.toKey(name))
  }

  async stop(): Promise<void> {
    await this.queue.close()
  }

  /** Undefined: no job is to come; then none leaves a mark either. */
  async #holder(data: FlushJobData): Promise<Holder | undefined> {
    const mark = deduplicationId(data)
    const id = await this.queue.getDeduplicationJobId(mark)
    if (id === null || id === undefined) return undefined
    const state = await this.queue.getJobState(id)
    if (state !== 'unknown' && state !== 'completed' && state !== 'failed') {
      const found = await this.#read(id)
      const isOurs = found !== undefined && deduplicationId(found.data) === mark && isAsMade(found.data, found.job)
      // One that runs has its lock, and is left.
      if (isOurs || state === 'active') return { id, state, job: found?.job }
      await unlessGone(this.queue.remove(id, { removeChildren: false }))
    }
    await this.queue.removeDeduplicationKey(mark)
    return undefined
  }

  /** A job that is ours; `undefined` for any other, whatever it is. */
  async #read(id: string): Promise<FailedJob | undefined> {
    try {
      const key = this.queue.toKey(id)
      const sizes = await Promise.all(['data', 'opts', 'name'].map((field) => this.#connection.hstrlen(key, field)))
      if (sizes.some((size) => size > MAX_READ)) return undefined
      const job = (await this.queue.getJob(id)) as FlushJob | undefined
      const data = readJobData(job?.data, this.#model, this.#policy.shards)
      return job === undefined || data === undefined ? undefined : { job, data }
    } catch {
      // Not a hash, or not JSON.
      return undefined
    }
  }

  /** Ms until a delayed job's time. */
  async #waits(id: string): Promise<number> {
    const score = await this.#connection.zscore(this.queue.toKey('delayed'), id)
    return Number(score ?? 0) / SCORE_SHIFT - Date.now()
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
      // Thousands of refused records are not to keep the others waiting.
      ...(data.kind === 'parked' ? { priority: PARKED_PRIORITY } : {}),
      removeOnComplete: { count: KEPT_COMPLETED },
      removeOnFail: { count: KEPT_FAILED },
    }
    return { name: jobName(data), data, opts }
  }
}

/** What is done to a job that another worker, or an operator, may have changed meanwhile. */
export async function unlessGone(change: Promise<unknown>): Promise<void> {
  await change.catch((error: Error & { code?: number }) => {
    const isGone = error.code === ErrorCode.JobNotExist || error.code === ErrorCode.JobNotInState || error.message.includes('is locked')
    if (!isGone) throw error
  })
}

export function queueName(namespace: string, model: string): string {
  return `${namespace}.${model}`
}

/** Exponential with full-range jitter of one half, capped: ms before the attempt after `attemptsMade`. */
export function backoffDelay(policy: Pick<ResolvedPolicy, 'backoff' | 'maxBackoff'>, attemptsMade: number): number {
  const delay = Math.min(policy.backoff * 2 ** Math.min(attemptsMade - 1, 30), policy.maxBackoff)
  return Math.round(delay * (0.5 + Math.random() / 2))
}
