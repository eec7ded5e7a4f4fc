import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { ParkedError, PersistError, TimeoutError } from './errors.js'
import type { Events } from './events.js'
import type { Flusher } from './flush/flusher.js'
import type { Scheduler } from './flush/scheduler.js'
import type { Sweeper } from './flush/sweeper.js'
import type { FlushWorker } from './flush/worker.js'
import type { ModelCache } from './model-cache.js'
import type { ShardNames } from './redis/keys.js'
import type { Store } from './redis/store.js'
import type { Model } from './schema/model.js'

/** What is to be known of one model at 3 a.m. Counts since Redis was set up, over all processes. */
export interface ModelStatus {
  readonly model: string
  readonly dirty: number
  readonly parked: number
  /** Writes accepted. */
  readonly writes: number
  /** Rows written to the database. */
  readonly rows: number
  readonly batches: number
  /** Ms since the first due record was due; 0 if none is. */
  readonly overdue: number
}

export interface ParkedRecord {
  readonly model: string
  readonly key: string
  readonly attempts: number
  readonly since: Date
  /** SQLSTATE and constraint, never values. */
  readonly reason: string
}

export interface CloseReport {
  /** Records that the close itself brought into the database. */
  readonly flushed: number
  /** Records that stay in Redis, for the next worker; parked ones included. `undefined`: Redis did not say. */
  readonly dirty: number | undefined
  readonly parked: number | undefined
}

/** All that serves one model. */
export interface Part {
  readonly name: string
  readonly cache: ModelCache
  readonly model: Model
  readonly shards: ShardNames
  readonly flusher: Flusher
  readonly scheduler: Scheduler
  readonly worker: FlushWorker
  readonly sweeper: Sweeper
}

const FLUSH_TIMEOUT = 30_000
const CLOSE_DEADLINE = 10_000
const RETRY_PAUSE = 100

/** Everything but the models, which createWriteBehind adds by name. */
export class WriteBehind {
  /** Emits `written`, `flushed`, `parked`, `unparked`, `adopted`, `backlog`, `failure`, of this process. A listener that throws breaks nothing. */
  readonly events: Events
  readonly #parts: readonly Part[]
  readonly #store: Store
  readonly #connections: readonly Redis[]
  #closing: Promise<CloseReport> | undefined

  /** @internal made by createWriteBehind */
  constructor(events: Events, parts: readonly Part[], store: Store, connections: readonly Redis[]) {
    this.events = events
    this.#parts = parts
    this.#store = store
    this.#connections = connections
  }

  /** The BullMQ queues of the flush jobs, one a model: for Bull Board. */
  get queues(): readonly Queue[] {
    return this.#parts.map(({ scheduler }) => scheduler.queue as Queue)
  }

  /**
   * Resolves when everything acknowledged before the call is in the database; with how many records it brought there itself.
   * An outage is retried until the timeout. Parked records get another chance.
   * @param options.timeout ms @default 30000
   * @throws ParkedError when the database refuses records; all others are in the database
   * @throws PersistError the outage that outlasted the timeout
   * @throws TimeoutError when the timeout passed before everything was flushed
   */
  async flush({ timeout = FLUSH_TIMEOUT }: { timeout?: number } = {}): Promise<{ records: number }> {
    let records = 0
    await this.#flush(performance.now() + timeout, (flushed) => {
      records += flushed
    })
    return { records }
  }

  /** Starts flushing in this process, for all models. Resolves when the workers listen. */
  async startWorker(): Promise<void> {
    await Promise.all(this.#parts.map(({ worker }) => worker.start()))
    for (const { sweeper } of this.#parts) sweeper.start()
  }

  /** Status of every model, in the order of the policies. */
  async status(): Promise<ModelStatus[]> {
    const now = await this.#store.now()
    return Promise.all(
      this.#parts.map(async ({ model, shards }) => {
        const status = { model: model.name, dirty: 0, parked: 0, writes: 0, rows: 0, batches: 0, overdue: 0 }
        for (const shard of await Promise.all(range(shards.count).map((each) => this.#store.status(shards.prefix(each))))) {
          status.dirty += shard.dirty
          status.parked += shard.parked
          status.writes += shard.writes
          status.rows += shard.rows
          status.batches += shard.batches
          if (shard.firstDue !== undefined) status.overdue = Math.max(status.overdue, now - shard.firstDue)
        }
        return status
      }),
    )
  }

  /** Records whose change the database refuses. */
  async parked(): Promise<ParkedRecord[]> {
    const entries = this.#parts.flatMap(({ model, shards }) =>
      range(shards.count).map(async (shard) =>
        (await this.#store.parked(shards.prefix(shard))).map((entry) => ({ model: model.name, ...entry })),
      ),
    )
    return (await Promise.all(entries)).flat()
  }

  /**
   * Refuses further calls, lets writes and jobs under way end, flushes, and closes the connections. What could not be flushed stays
   * dirty in Redis, for the next worker. Calling it again returns the same promise.
   * @param options.deadline ms for all of it @default 10000
   */
  close({ deadline = CLOSE_DEADLINE }: { deadline?: number } = {}): Promise<CloseReport> {
    this.#closing ??= this.#close(performance.now() + deadline)
    return this.#closing
  }

  async #close(deadline: number): Promise<CloseReport> {
    let flushed = 0
    const drain = async () => {
      await Promise.all(this.#parts.map(({ cache }) => cache.close()))
      await Promise.all(this.#parts.flatMap(({ worker, sweeper }) => [sweeper.stop(), worker.stop()]))
      await this.#flush(deadline, (records) => {
        flushed += records
      })
    }
    await within(deadline, drain()).catch((error: Error) => void this.events.emit('failure', { step: 'flush', model: undefined, error }))
    const left = await within(deadline + 1000, this.status()).catch(() => undefined)
    await Promise.allSettled(this.#parts.map(({ scheduler }) => within(deadline + 1000, scheduler.stop())))
    // ioredis holds the process up for 2 s when a connection is disconnected that has ended.
    for (const connection of this.#connections) if (connection.status !== 'end') connection.disconnect()
    return { flushed, dirty: total(left, 'dirty'), parked: total(left, 'parked') }
  }

  /** Flushes all that it can; then throws the first failure. */
  async #flush(deadline: number, count: (records: number) => void): Promise<void> {
    const before = await within(deadline, this.#store.now())
    const shards = this.#parts.flatMap((part) =>
      range(part.shards.count).map((shard) => this.#flushShard(part, shard, before, deadline, count)),
    )
    const flushed = await Promise.allSettled(shards)
    const parked = await Promise.allSettled(this.#parts.map((part) => this.#flushParked(part, deadline, count)))
    const failure = [...flushed, ...parked].find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  async #flushShard(part: Part, shard: number, before: number, deadline: number, count: (records: number) => void): Promise<void> {
    await this.#untilUp(part, deadline, async () => {
      // A record that is refused on the way is reported by flushParked.
      for (let complete = false; !complete; ) {
        if (performance.now() > deadline) throw new TimeoutError(`flush: ${part.name} was not flushed within the timeout`)
        const report = await part.flusher.flush(shard, { before }, 1)
        count(report.records)
        complete = report.complete
      }
    })
  }

  async #flushParked(part: Part, deadline: number, count: (records: number) => void): Promise<void> {
    const refused: string[] = []
    for (const shard of range(part.shards.count)) {
      for (const { key } of await within(deadline, this.#store.parked(part.shards.prefix(shard)))) {
        const report = await this.#untilUp(part, deadline, () => part.flusher.flush(shard, { key }))
        count(report.records)
        if (report.parked.has(key)) refused.push(key)
      }
    }
    if (refused.length > 0) throw new ParkedError(part.model.name, refused)
  }

  async #untilUp<T>(part: Part, deadline: number, task: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await within(deadline, task())
      } catch (error) {
        if (!(error instanceof PersistError) || error.code !== 'OUTAGE' || performance.now() + RETRY_PAUSE > deadline) throw error
        this.events.emit('failure', { step: 'flush', model: part.model.name, error })
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      }
    }
  }
}

function within<T>(deadline: number, task: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError('the timeout passed')), Math.max(0, deadline - performance.now()))
  })
  return Promise.race([task, timeout]).finally(() => clearTimeout(timer))
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

function total(statuses: readonly ModelStatus[] | undefined, field: 'dirty' | 'parked'): number | undefined {
  return statuses?.reduce((sum, status) => sum + status[field], 0)
}
