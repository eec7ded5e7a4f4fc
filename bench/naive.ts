import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Stage } from './stage.js'

/**
 * What a good engineer would build without this library. The value is in Redis, and each write adds a job, which BullMQ drops when a job of the same
 * record waits. A worker upserts the record's value. The job names the record and holds no value, and BullMQ adds one more job when
 * one runs already. A value in the job, or a plain deduplication, would leave old values in the database.
 */
const QUEUE = 'bench-naive'
/** The default size of a Prisma client's pool. */
const CONCURRENCY = 10

export class NaiveWriter {
  readonly #connection: Redis
  readonly #queue: Queue
  readonly #debounce: number

  constructor(stage: Stage, debounce: number) {
    this.#connection = new Redis(stage.addresses.redisUrl, { maxRetriesPerRequest: null })
    this.#queue = new Queue(QUEUE, { connection: this.#connection })
    this.#debounce = debounce
  }

  /** Both commands go over one connection, which keeps their order, so neither has to wait for the other. */
  async increment(name: string): Promise<void> {
    const options = { delay: this.#debounce, deduplication: { id: name, keepLastIfActive: true }, removeOnComplete: true }
    await Promise.all([this.#connection.incrby(valueKey(name), 1), this.#queue.add('upsert', { name }, options)])
  }

  /** Resolves to true when no job waits and none runs. */
  async isIdle(): Promise<boolean> {
    const counts = await this.#queue.getJobCounts('active', 'waiting', 'delayed', 'prioritized')
    return Object.values(counts).every((count) => count === 0)
  }

  async close(): Promise<void> {
    await this.#queue.close()
    this.#connection.disconnect()
  }
}

export function startNaiveWorker({ addresses, redis, prisma }: Stage): void {
  const connection = new Redis(addresses.redisUrl, { maxRetriesPerRequest: null })
  const upsert = async (name: string) => {
    const value = BigInt((await redis.get(valueKey(name))) ?? 0)
    await prisma.counter.upsert({ where: { name }, create: { name, value }, update: { value } })
  }
  const worker = new Worker(QUEUE, (job) => upsert(job.data.name), { connection, concurrency: CONCURRENCY })
  worker.on('error', (error) => console.error(`naive worker: ${error.message}`))
  worker.on('failed', (_, error) => console.error(`naive worker: ${error.message}`))
}

function valueKey(name: string): string {
  return `value:${name}`
}
