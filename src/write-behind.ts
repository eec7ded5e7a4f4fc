import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { CachedModel } from './cached-model.js'
import { type CloseOptions, type CloseReport, checkCloseOptions, type Drain } from './close.js'
import { ClosedError, InvalidInputError } from './errors.js'
import type { Events } from './events.js'
import { createExtension, type Extension } from './extension/extension.js'
import { type Barrier, type Count, range, within } from './flush/barrier.js'
import type { QueueState } from './flush/queue-state.js'
import type { Where } from './model/arguments.js'
import { describe } from './model/describe.js'
import { isObject, KeyEncoder } from './model/key.js'
import type { Model, Models } from './model/model.js'
import { redact } from './redaction.js'
import { disconnect, type RetryingConnection } from './redis/retrying-connection.js'
import type { Store } from './redis/store.js'
import type { Calls } from './write/writer.js'

/** What is to be known of one model at 3 a.m., over all processes. */
export interface ModelStatus {
  /** As in the Prisma schema. */
  readonly model: string
  /** Records with changes that are not in the database, parked ones included. */
  readonly dirty: number
  /** Records whose change the database refuses. */
  readonly parked: number
  /** Writes accepted since Redis was set up. */
  readonly writes: number
  /** Rows written to the database since then. */
  readonly rows: number
  /** Batches acknowledged since then. */
  readonly batches: number
  /** Ms since the first due record was due, or would have been without later writes that put it off; 0 if none is. */
  readonly overdue: number
  /**
   * How its queue of flush jobs is: `running` · `paused` until somebody resumes it, only `flush` flushes · `limited` by a rate or a concurrency that
   * somebody has set, so that flushes may be late · `broken` by something that is not BullMQ's, so that only sweeps and `flush` do
   */
  readonly queue: 'running' | 'paused' | 'limited' | 'broken'
}

export interface ParkedRecord {
  /** As in the Prisma schema. */
  readonly model: string
  /** The key fields' values, joined by `:`, with what would be taken for something else as `%XX`. */
  readonly key: string
  /** Times that the database has refused it. */
  readonly attempts: number
  /** When it was refused first. */
  readonly since: Date
  /** SQLSTATE and constraint, never values. */
  readonly reason: string
}

const FLUSH_TIMEOUT = 30_000

/** Where the models do not matter. */
type NoModels = Readonly<Record<never, Model>>

/** What to flush: everything; with `model` (the name of its delegate) that model; with `key` too that record. */
export type FlushOptions<C extends Models = NoModels> = {
  /** Ms. @default 30000 */
  timeout?: number
} & ({ model?: undefined; key?: undefined } | { [N in keyof C & string]: { model: N; key?: Where<C[N]> | undefined } }[keyof C & string])

/** Everything but the models, which createWriteBehind adds by name. */
export class WriteBehind<C extends Models = NoModels> {
  /** Emits `written`, `flushed`, `parked`, `unparked`, `adopted`, `backlog`, `failure`, of this process. A listener that throws breaks nothing. */
  readonly events: Events
  readonly #models: readonly CachedModel[]
  readonly #barrier: Barrier
  readonly #calls: Calls & { readonly redis: Redis }
  readonly #retrying: readonly RetryingConnection[]
  readonly #connections: readonly Redis[]
  #closing: Promise<CloseReport> | undefined

  /** @internal made by createWriteBehind */
  constructor(
    events: Events,
    models: readonly CachedModel[],
    barrier: Barrier,
    calls: Calls & { readonly redis: Redis },
    retrying: readonly RetryingConnection[],
    connections: readonly Redis[],
  ) {
    this.events = events
    this.#models = models
    this.#barrier = barrier
    this.#calls = calls
    this.#retrying = retrying
    this.#connections = connections
  }

  /** The BullMQ queues of the flush jobs, one a model: for Bull Board. */
  get queues(): readonly Queue[] {
    return this.#models.map(({ scheduler }) => scheduler.queue as Queue)
  }

  /**
   * A barrier: resolves when everything acknowledged before the call is in the database, or all of one model, or of one record; with how
   * many records it brought there itself. An outage is retried until the timeout. Parked records get another chance.
   * @throws InvalidInputError when there is no such model or key
   * @throws ParkedError when the database refuses records; all others are in the database
   * @throws PersistError the outage that outlasted the timeout, or at once what keeps all records from being written (`SCHEMA_MISMATCH`)
   * @throws TimeoutError when the timeout passed before everything was flushed
   * @throws UnavailableError when Redis turned commands away until then
   * @throws ClosedError
   */
  async flush(options: FlushOptions<C> = {}): Promise<{ records: number }> {
    const { cached, key, timeout } = this.#flushOptions(options)
    if (this.#closing !== undefined) throw new ClosedError()
    const deadline = performance.now() + timeout
    let records = 0
    const count = (flushed: number) => {
      records += flushed
    }
    try {
      await this.#barrier.confirm(deadline)
      if (cached !== undefined && key !== undefined) await this.#barrier.flushRecord(cached, key, deadline, count)
      else await this.#barrier.flush(cached === undefined ? this.#models : [cached], deadline, count)
    } catch (error) {
      throw redact(error)
    }
    return { records }
  }

  /**
   * For `prisma.$extends(cache.extension())`: calls on the extended client go through the cache where they are about one record of a model
   * with a policy, and see to it where they are not. docs/extension.md says what goes where. Apply it after your other extensions.
   */
  extension(): Extension {
    return createExtension({ models: this.#models, barrier: this.#barrier, isClosed: () => this.#closing !== undefined })
  }

  /**
   * Starts flushing in this process, for all models. Resolves when the workers listen. Calling it again does no harm.
   * @throws UnavailableError when Redis could not be reached within `writeTimeout`
   * @throws ClosedError
   */
  async startWorker(): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError()
    await Promise.all(this.#models.map(({ worker }) => worker.start()))
    if (this.#closing !== undefined) throw new ClosedError()
    for (const { sweeper } of this.#models) sweeper.start()
  }

  /**
   * Status of every model, in the order of the policies.
   * @throws UnavailableError when Redis did not answer within `writeTimeout`
   * @throws ClosedError
   */
  async status(): Promise<ModelStatus[]> {
    if (this.#closing !== undefined) throw new ClosedError()
    return this.#status()
  }

  /**
   * Records whose change the database refuses.
   * @throws UnavailableError when Redis did not answer within `writeTimeout`
   * @throws ClosedError
   */
  async parked(): Promise<ParkedRecord[]> {
    if (this.#closing !== undefined) throw new ClosedError()
    const shards = await this.#eachShard((store, prefix) => store.parked(prefix))
    return shards.flatMap(({ model, answer }) => answer.map((entry) => ({ model, ...entry })))
  }

  /**
   * Refuses further calls, lets writes and jobs under way end, flushes what this process wrote (or `drain`), and closes the connections. What
   * could not be flushed stays dirty in Redis, for the next worker. Calling it again resolves to the same report.
   * @throws InvalidInputError when the deadline is no number of milliseconds, `drain` none of its words, or an option unknown
   */
  async close(options: CloseOptions = {}): Promise<CloseReport> {
    const { deadline, drain } = checkCloseOptions(options)
    this.#closing ??= this.#close(performance.now() + deadline, drain)
    return this.#closing
  }

  #flushOptions(options: unknown): { cached: CachedModel | undefined; key: string | undefined; timeout: number } {
    if (!isObject(options)) throw new InvalidInputError(undefined, 'flush', '{ model, key, timeout }', describe(options))
    const { model, key, timeout = FLUSH_TIMEOUT, ...rest } = options
    const [unknown] = Object.keys(rest)
    if (unknown !== undefined) throw new InvalidInputError(undefined, 'flush', 'only model, key and timeout', unknown)
    if (typeof timeout !== 'number' || !(timeout >= 0))
      throw new InvalidInputError(undefined, 'flush.timeout', 'milliseconds', describe(timeout))
    if (model === undefined) {
      if (key !== undefined) throw new InvalidInputError(undefined, 'flush.model', 'a model beside the key', 'none')
      return { cached: undefined, key: undefined, timeout }
    }
    const cached = this.#models.find(({ name }) => name === model)
    if (cached === undefined) {
      const names = this.#models.map(({ name }) => name).join(', ')
      throw new InvalidInputError(undefined, 'flush.model', `one of ${names}`, describe(model))
    }
    return { cached, key: key === undefined ? undefined : new KeyEncoder(cached.model).encode(key), timeout }
  }

  async #status(): Promise<ModelStatus[]> {
    const { connection, store, redis } = this.#calls
    const now = await connection.ask(undefined, () => store.now())
    const [shards, ...states] = await Promise.all([
      this.#eachShard((each, prefix) => each.status(prefix)),
      ...this.#models.map(({ model, scheduler }) => connection.ask(model.name, () => scheduler.state(redis))),
    ])
    return this.#models.map(({ model }, n) => {
      const { queue } = states[n] as QueueState
      const status = { model: model.name, dirty: 0, parked: 0, writes: 0, rows: 0, batches: 0, overdue: 0, queue }
      for (const { answer } of shards.filter((shard) => shard.model === model.name)) {
        for (const count of ['dirty', 'parked', 'writes', 'rows', 'batches'] as const) status[count] += answer[count]
        if (answer.firstDue !== undefined) status.overdue = Math.max(status.overdue, now - answer.firstDue)
      }
      return status
    })
  }

  /** @throws UnavailableError */
  #eachShard<T>(ask: (store: Store, prefix: string) => Promise<T>): Promise<{ model: string; answer: T }[]> {
    const { connection, store } = this.#calls
    const answers = this.#models.flatMap(({ model: { name }, shards }) =>
      range(shards.count).map(async (shard) => ({
        model: name,
        answer: await connection.ask(name, () => ask(store, shards.prefix(shard))),
      })),
    )
    return Promise.all(answers)
  }

  async #drain(drain: Drain, deadline: number, count: Count): Promise<void> {
    if (drain === 'all') await this.#barrier.flush(this.#models, deadline, count)
    if (drain === 'own') await this.#barrier.flushOwn(this.#models, deadline, count)
  }

  async #close(deadline: number, drain: Drain): Promise<CloseReport> {
    let flushed = 0
    const end = async () => {
      await Promise.all(this.#models.map(({ cache }) => cache.close()))
      await Promise.all(this.#models.flatMap(({ worker, sweeper }) => [sweeper.stop(), worker.stop()]))
      await this.#drain(drain, deadline, (records) => {
        flushed += records
      })
    }
    await within(deadline, end()).catch((error: Error) => void this.events.emit('failure', { step: 'flush', model: undefined, error }))
    const left = await within(deadline + 1000, this.#status()).catch(() => undefined)
    await Promise.allSettled(this.#models.map(({ scheduler }) => within(deadline + 1000, scheduler.stop())))
    await Promise.allSettled(this.#models.map(({ worker }) => within(deadline + 1000, worker.abandon())))
    for (const connection of this.#retrying) connection.close()
    for (const connection of this.#connections) disconnect(connection)
    return { flushed, dirty: total(left, 'dirty'), parked: total(left, 'parked') }
  }
}

function total(statuses: readonly ModelStatus[] | undefined, field: 'dirty' | 'parked'): number | undefined {
  return statuses?.reduce((sum, status) => sum + status[field], 0)
}
