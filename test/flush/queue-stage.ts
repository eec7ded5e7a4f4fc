import type { Queue } from 'bullmq'
import { afterEach, beforeEach } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type FailureEvent, type Options, type Policy } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

export const YEARS = 3e11
export const NEVER = 3_600_000
export const quick = { shards: 1, debounce: 20, maxWait: 50, attempts: 2, backoff: 20, maxBackoff: 200 } satisfies Policy
/** What a job of ours says for the only shard. */
export const SHARD = { kind: 'shard', model: 'Counter', shard: 0 }

/** For each test a database, and a namespace whose queue the test reaches past the library. */
export class QueueStage {
  database!: TestDatabase
  connection!: ReturnType<typeof createRedis>
  #ending: (() => Promise<unknown>)[] = []

  /** Registers the hooks of the file that calls it. */
  constructor() {
    beforeEach(async () => {
      this.database = await createDatabase()
      this.connection = createRedis()
      this.#ending = [this.connection.clean, this.database.drop]
    })
    afterEach(async () => {
      for (const step of this.#ending) await step()
    })
  }

  start = async (options: Options = {}, counter: Policy = quick) => {
    const { redis, namespace } = this.connection
    const policies = { counter: { ...quick, ...counter } }
    const { prisma } = this.database
    const cache = await createWriteBehind({ prisma, redis, models, policies, namespace, sweepInterval: 50, ...options })
    this.#ending.unshift(() => cache.close({ deadline: 0 }))
    const failures: FailureEvent[] = []
    cache.events.on('failure', (failure) => failures.push(failure))
    const [queue] = cache.queues as [Queue]
    const write = (name: string) => cache.counter.increment({ name }, { value: 1 })
    const said = (step: FailureEvent['step']) => failures.filter((failure) => failure.step === step).map(({ error }) => error.message)
    return { cache, queue, write, said }
  }

  /** The names of the rows. */
  names = async () => (await this.database.query<{ name: string }>('select name from "Counter" order by name')).map(({ name }) => name)
}
