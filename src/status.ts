import { range } from './flush/barrier.js'
import type { QueueState } from './flush/queue-state.js'
import type { Scheduler } from './flush/scheduler.js'
import type { ShardNames } from './redis/keys.js'
import type { Store } from './redis/store.js'
import type { OpenCalls } from './start/connections.js'

/** How one model is doing, over all processes. */
export interface ModelStatus {
  /** Name in the Prisma schema. */
  readonly model: string
  /** Records with changes that are not in the database yet, parked ones included. */
  readonly dirty: number
  /** Records whose change the database refuses. */
  readonly parked: number
  /** Writes accepted since Redis was set up. */
  readonly writes: number
  /** Rows written to the database since then. */
  readonly rows: number
  /** Batches acknowledged since then. */
  readonly batches: number
  /** Ms since the most overdue record has been due; 0 if no record is due. The time by which later writes delayed it does not count. */
  readonly overdue: number
  /**
   * State of the queue of flush jobs:
   * - `running`
   * - `paused`: until somebody resumes it, only `flush` and `close` flush
   * - `limited`: somebody has set a rate limit or a concurrency limit, so that flushes may be late
   * - `broken`: it holds something that is not BullMQ's, so that only sweeps, `flush` and `close` flush
   */
  readonly queue: 'running' | 'paused' | 'limited' | 'broken'
}

export interface ParkedRecord {
  /** Name in the Prisma schema. */
  readonly model: string
  /** The values of the key fields, joined by `:`. Characters that could be misread are written as `%XX`. */
  readonly key: string
  /** How many times the database has refused it. */
  readonly attempts: number
  /** When it was refused first. */
  readonly since: Date
  /** SQLSTATE and constraint; never a value of the row. */
  readonly reason: string
}

/** What the status needs of a cached model. @internal */
export interface StatusModel {
  readonly model: { readonly name: string }
  readonly shards: Pick<ShardNames, 'count' | 'prefix'>
  readonly scheduler: Pick<Scheduler, 'state'>
}

/** Asks Redis how the models are doing. @internal */
export class Status {
  readonly #calls: OpenCalls
  readonly #models: readonly StatusModel[]

  constructor(calls: OpenCalls, models: readonly StatusModel[]) {
    this.#calls = calls
    this.#models = models
  }

  /** @throws UnavailableError when Redis does not answer in time */
  async read(): Promise<ModelStatus[]> {
    const { connection, store, redis } = this.#calls
    const times = await connection.ask(undefined, () => store.times())
    const [shards, ...states] = await Promise.all([
      this.#eachShard((each, prefix) => each.status(prefix)),
      ...this.#models.map(({ model, scheduler }) => connection.ask(model.name, () => scheduler.state(redis))),
    ])
    return this.#models.map(({ model }, n) => {
      const { queue } = states[n] as QueueState
      const status = { model: model.name, dirty: 0, parked: 0, writes: 0, rows: 0, batches: 0, overdue: 0, queue }
      for (const { prefix, answer } of shards.filter((shard) => shard.model === model.name)) {
        for (const count of ['dirty', 'parked', 'writes', 'rows', 'batches'] as const) status[count] += answer[count]
        if (answer.firstDue !== undefined) status.overdue = Math.max(status.overdue, times(prefix) - answer.firstDue)
      }
      return status
    })
  }

  /** @throws UnavailableError when Redis does not answer in time */
  async parked(): Promise<ParkedRecord[]> {
    const shards = await this.#eachShard((store, prefix) => store.parked(prefix))
    return shards.flatMap(({ model, answer }) => answer.map((entry) => ({ model, ...entry })))
  }

  async #eachShard<T>(ask: (store: Store, prefix: string) => Promise<T>): Promise<{ model: string; prefix: string; answer: T }[]> {
    const { connection, store } = this.#calls
    const answers = this.#models.flatMap(({ model: { name }, shards }) =>
      range(shards.count).map(async (shard) => ({
        model: name,
        prefix: shards.prefix(shard),
        answer: await connection.ask(name, () => ask(store, shards.prefix(shard))),
      })),
    )
    return Promise.all(answers)
  }
}
