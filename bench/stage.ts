import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { PrismaClient } from '../generated/client/client.js'
import { models } from '../generated/write-behind.js'
import { createWriteBehind, type Policies, type Policy } from '../src/index.js'
import { applyMigrations } from '../test/environment/migrations.js'
import { type PostgresServer, startPostgres } from '../test/environment/postgres.js'
import { type RedisServer, startRedis } from '../test/environment/redis.js'

/** With this policy nothing becomes due while it is measured: the bench calls the flushes. As by default, `maxWait` is five times the debounce. */
export const QUIET = { debounce: 3_600_000, maxWait: 18_000_000, viewTtl: 3_600_000, maxDirty: 100_000_000 } as const satisfies Policy

/** How many batches are persisted at a time. It is our default, and the peers use the same. */
export const CONCURRENCY = 4

export interface Addresses {
  readonly redisUrl: string
  readonly databaseUrl: string
}

/** The default of 128 MB is too small for a million rows with their index. */
const POSTGRES_SETTINGS = { shared_buffers: '512MB' }

/** The bench's own servers, which it may empty: Redis with AOF everysec, and PostgreSQL. All contenders use the same settings. */
export class Servers {
  readonly postgres: PostgresServer
  readonly #redis: RedisServer[] = []

  private constructor(postgres: PostgresServer) {
    this.postgres = postgres
  }

  static async start(): Promise<Servers> {
    return new Servers(await startPostgres({ settings: POSTGRES_SETTINGS }))
  }

  /** Starts a Redis and creates a migrated database. Both are empty. */
  async add(database: string): Promise<Addresses> {
    const redis = await startRedis()
    this.#redis.push(redis)
    const databaseUrl = await this.postgres.createDatabase(database)
    await applyMigrations(databaseUrl)
    return { redisUrl: redis.url, databaseUrl }
  }

  async stop(): Promise<void> {
    await Promise.all([this.postgres.stop(), ...this.#redis.map((redis) => redis.stop())])
  }
}

/** Connections to one Redis and one database, for us and for the peers. */
export class Stage {
  readonly addresses: Addresses
  /** With ioredis' defaults. */
  readonly redis: Redis
  readonly pipelining: Redis
  readonly prisma: PrismaClient
  readonly pool: Pool
  readonly #closing: (() => Promise<unknown>)[] = []

  constructor(addresses: Addresses) {
    this.addresses = addresses
    this.redis = new Redis(addresses.redisUrl)
    this.pipelining = new Redis(addresses.redisUrl, { enableAutoPipelining: true })
    this.prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: addresses.databaseUrl }) })
    this.pool = new Pool({ connectionString: addresses.databaseUrl, max: CONCURRENCY })
    // After a failure the servers end before the connections, and unused connections then report an error.
    this.pool.on('error', () => {})
    for (const redis of [this.redis, this.pipelining]) redis.on('error', () => {})
  }

  /** Opens a cache that is closed with the stage. */
  async openCache<const P extends Policies<typeof models>>(namespace: string, policies: P) {
    const cache = await createWriteBehind({ prisma: this.prisma, redis: this.redis, models, policies, namespace })
    cache.events.on('failure', ({ step, error }) => console.error(`${namespace}: the step ${step} failed: ${error.message}`))
    this.#closing.unshift(() => cache.close())
    return cache
  }

  /** Calls `close` before the connections are closed. Redis is empty by then, so nothing is left to flush. */
  onClose(close: () => Promise<unknown>): void {
    this.#closing.unshift(close)
  }

  /** Empties Redis and the tables, so that nothing of an earlier flush is left. */
  async clear(): Promise<void> {
    await this.emptyRedis()
    await this.pool.query('truncate "Counter", page_views, "Document", write_behind_ledger')
  }

  /** Empties Redis. This is enough for measures that flush nothing. */
  async emptyRedis(): Promise<void> {
    await this.redis.flushall()
    await this.settle()
  }

  /** Waits until Redis has rewritten its AOF, because the child process that does it takes a core from the next contender. */
  async settle(): Promise<void> {
    while (/aof_rewrite_(in_progress|scheduled):1/.test(await this.redis.info('persistence')))
      await new Promise((resolve) => setTimeout(resolve, 20))
  }

  async close(): Promise<void> {
    await this.redis.flushall()
    for (const close of this.#closing) await close()
    for (const redis of [this.redis, this.pipelining]) redis.disconnect()
    await Promise.all([this.prisma.$disconnect(), this.pool.end()])
  }
}
