import { ErrorCode, type Job, type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { ResolvedPolicy } from '../options.js'
import { queuePrefix } from '../redis/keys.js'
import { isObject } from '../schema/key.js'
import type { QueueTelemetry } from '../telemetry/queue-telemetry.js'

/** A job is an alarm: it says where to look, and holds no values. `key` is the record's, for jobs of one record. */
export type FlushJobData =
  | { readonly kind: 'shard'; readonly model: string; readonly shard: number }
  | { readonly kind: 'record' | 'parked'; readonly model: string; readonly shard: number; readonly key: string }

export interface FailedJobs {
  readonly jobs: readonly FlushJob[]
  /** There may be others that are not kept. */
  readonly more: boolean
}

export type FlushJob = Job<FlushJobData, Record<string, unknown>>

/** Jobs without a priority come first. */
const PARKED_PRIORITY = 10
/** Jobs of each kind that stay on the board after they completed. */
const KEPT_COMPLETED = 100
const KEPT_FAILED = 1000
/** BullMQ keeps the last events of a queue for listeners; nobody reads ours that far back. */
const KEPT_EVENTS = 1000

/** Sets the alarms of one model: delayed jobs, of which at most one waits and one runs for each shard, dirty record or parked record. */
export class Scheduler {
  readonly queue: Queue<FlushJobData, Record<string, unknown>>
  readonly #model: string
  readonly #policy: ResolvedPolicy

  constructor(namespace: string, model: string, policy: ResolvedPolicy, connection: Redis, telemetry: QueueTelemetry) {
    this.#model = model
    this.#policy = policy
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

  /** Adds the job unless one like it lives. A deduplication mark whose job is gone would swallow it: such a mark is removed. */
  async ensure(data: FlushJobData, delay: number): Promise<void> {
    if ((await this.#living(data)) === undefined) await this.#add(data, delay)
  }

  /** As `ensure`, of what is overdue: a job that waits for a time yet to come was set by another clock, or another policy. */
  async hasten(data: FlushJobData): Promise<void> {
    const living = await this.#living(data)
    if (living === undefined) return this.#add(data, 0)
    const job = living.state === 'delayed' ? await this.queue.getJob(living.id) : undefined
    // One that was tried waits for the database.
    if (job?.attemptsMade === 0) await unlessGone(job.promote())
  }

  /** Failed jobs, newest first, without those that an operator has added or changed to hold nothing; and whether there may be more. */
  async failed(most: number): Promise<FailedJobs> {
    const jobs = await this.queue.getFailed(0, most - 1)
    // Others take some off the list meanwhile.
    return { jobs: jobs.filter(({ data }) => isObject(data)), more: jobs.length > most / 2 }
  }

  async stop(): Promise<void> {
    await this.queue.close()
  }

  /** Undefined: no job is to come; then none leaves a mark either. */
  async #living(data: FlushJobData): Promise<{ id: string; state: string } | undefined> {
    const mark = deduplicationId(data)
    const id = await this.queue.getDeduplicationJobId(mark)
    if (id === null || id === undefined) return undefined
    const state = await this.queue.getJobState(id)
    if (state !== 'unknown' && state !== 'completed' && state !== 'failed') return { id, state }
    await this.queue.removeDeduplicationKey(mark)
    return undefined
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
      backoff: { type: 'custom' },
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

function deduplicationId(data: FlushJobData): string {
  return data.kind === 'shard' ? `shard/${data.shard}` : `${data.kind}/${data.shard}/${data.key}`
}

function jobName(data: FlushJobData): string {
  switch (data.kind) {
    case 'shard':
      return `flush ${data.model} shard ${data.shard}`
    case 'record':
      return `flush ${data.model} ${data.key}`
    case 'parked':
      return `retry parked ${data.model} ${data.key}`
  }
}
