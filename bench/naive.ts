import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Stage } from './stage.js'

/**
 * What a user would build without this library, done well: the value in Redis, a job for each write that is dropped when one like it
 * waits, a worker that upserts the record's value. The job is a pointer, and one more is promised when it runs already: values in jobs, or
 * a plain deduplication, would leave old values in the database.
 */
const QUEUE = 'bench-naive'
/** As large as the pool of a Prisma client, by default. */
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

  /** One connection keeps them in order, so neither has to wait for the other. */
  async increment(name: string): Promise<void> {
    const options = { delay: this.#debounce, deduplication: { id: name, keepLastIfActive: true }, removeOnComplete: true }
    await Promise.all([this.#connection.incrby(valueKey(name), 1), this.#queue.add('upsert', { name }, options)])
  }

  /** Nothing waits, and nothing runs. */
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
