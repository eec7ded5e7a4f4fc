import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { models } from '../generated/write-behind.js'
import { type Cache, createWriteBehind, type Options, type Policies } from '../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import { Gate } from './gate.js'

export const HOUR = 3_600_000
/** A policy under which only explicit calls flush. */
export const still = { shards: 1, debounce: HOUR, maxWait: HOUR, backoff: 20, maxBackoff: 100 }
/** A policy under which a worker flushes soon. */
export const quick = { shards: 1, debounce: 50, maxWait: 200, backoff: 20, maxBackoff: 100 }

/** A database for all tests of a file; for each test a namespace of its own in Redis, and a gate before the database. */
export class Counters {
  database!: TestDatabase
  connection!: ReturnType<typeof createRedis>
  gate!: Gate
  readonly #open: { close(options?: { deadline?: number }): Promise<unknown> }[] = []

  /** Registers the hooks of the file that calls it. */
  constructor() {
    beforeAll(async () => {
      this.database = await createDatabase()
    })
    afterAll(() => this.database.drop())
    beforeEach(() => {
      this.gate = new Gate()
      this.connection = createRedis()
    })
    afterEach(() => this.#clean())
  }

  /** A cache behind the gate. It is closed after the test. */
  connect = async <const P extends Policies<typeof models>>(
    policies: P,
    { gate = this.gate, redis = this.connection.redis, ...options }: Options & { gate?: Gate; redis?: Redis } = {},
  ): Promise<Cache<typeof models, P>> => {
    const { namespace } = this.connection
    const prisma = gate.client(this.database)
    const cache = await createWriteBehind({ prisma, redis, namespace, models, policies, sweepInterval: 100, ...options })
    gate.statements = 0
    this.#open.push(cache as { close(): Promise<unknown> })
    return cache
  }

  /** The rows of the table. */
  values = (): Promise<{ name: string; value: string }[]> =>
    this.database.query<{ name: string; value: string }>('select name, value::text from "Counter" order by name')

  async #clean(): Promise<void> {
    this.gate.open()
    await Promise.all(this.#open.splice(0).map((cache) => cache.close({ deadline: 2000 })))
    // In this order, because a cache that was not done by its deadline goes on: it finds nothing, or a constraint, or its rows are truncated.
    await this.connection.clean()
    await this.database.query('alter table "Counter" drop constraint if exists small')
    await this.database.query('truncate "Counter", page_views, players')
  }
}
