import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { PrismaClient } from '../../generated/client/client.js'
import { familyOf, type Operation } from './operation.js'
import type { Target } from './target.js'

/** The job holds the row as it should be; `null` means that it is deleted. */
interface NaiveJob {
  readonly record: string
  readonly row: Readonly<Record<string, string>> | null
}

const DEBOUNCE = 200

/**
 * Write-behind as it is usually built, for comparison. The row is a hash in Redis. Every write adds a delayed job that holds the row, which
 * BullMQ deduplicates by the row's key (its debounce: replace and extend). The worker upserts the row with Prisma.
 */
export class NaiveCache implements Target {
  readonly #redis: Redis
  readonly #queue: Queue<NaiveJob>
  readonly #connection: Redis
  readonly #prisma: PrismaClient

  constructor(redisUrl: string, namespace: string, prisma: PrismaClient) {
    this.#redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
    this.#connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
    for (const redis of [this.#redis, this.#connection]) redis.on('error', () => {})
    this.#queue = new Queue('naive', { connection: this.#connection, prefix: `{${namespace}}:queues` })
    this.#queue.on('error', () => {})
    this.#prisma = prisma
  }

  async write(operation: Operation): Promise<void> {
    const { record } = operation
    const row = await this.#change(operation)
    if (row === undefined) return
    await this.#queue.add(
      'flush',
      { record, row },
      {
        delay: DEBOUNCE,
        deduplication: { id: record, ttl: DEBOUNCE, extend: true, replace: true },
        attempts: 20,
        backoff: { type: 'exponential', delay: 500 },
        removeOnComplete: true,
      },
    )
  }

  async startWorker(): Promise<void> {
    const worker = new Worker<NaiveJob>('naive', ({ data }) => this.#persist(data), {
      connection: this.#connection.duplicate(),
      prefix: this.#queue.opts.prefix as string,
      concurrency: 10,
      lockDuration: 5000,
      stalledInterval: 2000,
      maxStalledCount: 1000,
    })
    worker.on('error', () => {})
    await worker.waitUntilReady()
  }

  /** Resolves to the new row, to null when it is deleted, and to undefined when there was no row to update. */
  async #change({ id, kind, record, amount }: Operation): Promise<NaiveJob['row'] | undefined> {
    const key = `row:${record}`
    if (kind === 'delete') {
      await this.#redis.del(key)
      return null
    }
    if (kind === 'update' && (await this.#redis.exists(key)) === 0) return undefined
    const changes = this.#redis.multi()
    if (familyOf(record) === 'counter') changes.hincrby(key, 'value', amount)
    else if (familyOf(record) === 'player') changes.hset(key, { score: id, name: `v${id}` })
    else {
      changes.hincrby(key, 'views', amount).hincrby(key, 'bytes', amount * 10)
      if (kind === 'visit') changes.hset(key, { lastStatus: id })
    }
    const replies = await changes.hgetall(key).exec()
    const [error, row] = replies?.at(-1) ?? []
    if (error) throw error
    return row as Record<string, string>
  }

  async #persist({ record, row }: NaiveJob): Promise<void> {
    const { counter, pageView, player } = this.#prisma
    if (row === null) await player.deleteMany({ where: { id: record } })
    else if (familyOf(record) === 'counter') {
      const fields = { value: BigInt(row.value ?? 0) }
      await counter.upsert({ where: { name: record }, create: { name: record, ...fields }, update: fields })
    } else if (familyOf(record) === 'player') {
      const fields = { score: Number(row.score), name: row.name as string }
      await player.upsert({ where: { id: record }, create: { id: record, ...fields }, update: fields })
    } else {
      const version = row.lastStatus === undefined ? {} : { lastStatus: Number(row.lastStatus) }
      const fields = { views: BigInt(row.views ?? 0), bytes: BigInt(row.bytes ?? 0), ...version }
      await pageView.upsert({ where: { path: record }, create: { path: record, ...fields }, update: fields })
    }
  }
}
