import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { PrismaClient } from '../generated/client/client.js'
import { models } from '../generated/write-behind.js'
import { createWriteBehind, type Policies, type Policy } from '../src/index.js'
import { applyMigrations } from '../test/environment/migrations.js'
import { type PostgresServer, startPostgres } from '../test/environment/postgres.js'
import { type RedisServer, startRedis } from '../test/environment/redis.js'

/** Nothing becomes due while it is measured: flushes are called for. As by default, `maxWait` is five times the debounce. */
export const QUIET = { debounce: 3_600_000, maxWait: 18_000_000, viewTtl: 3_600_000, maxDirty: 100_000_000 } as const satisfies Policy

/** Batches that are persisted at a time: ours by default, and so the peers'. */
export const CONCURRENCY = 4

export interface Addresses {
  readonly redisUrl: string
  readonly databaseUrl: string
}

/** The default of 128 MB does not hold a million rows with their index. */
const POSTGRES_SETTINGS = { shared_buffers: '512MB' }

/** Servers of the bench's own, which it empties at will: Redis with AOF everysec, PostgreSQL with the same settings for everyone. */
export class Servers {
  readonly postgres: PostgresServer
  readonly #redis: RedisServer[] = []

  private constructor(postgres: PostgresServer) {
    this.postgres = postgres
  }

  static async start(): Promise<Servers> {
    return new Servers(await startPostgres({ settings: POSTGRES_SETTINGS }))
  }

  /** A Redis and a migrated database, both empty. */
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
    // Of connections that nobody uses: after a failure the servers end before the connections.
    this.pool.on('error', () => {})
    for (const redis of [this.redis, this.pipelining]) redis.on('error', () => {})
  }

  /** Closed with the stage. */
  async openCache<const P extends Policies<typeof models>>(namespace: string, policies: P) {
    const cache = await createWriteBehind({ prisma: this.prisma, redis: this.redis, models, policies, namespace })
    cache.events.on('failure', ({ step, error }) => console.error(`${namespace}: ${step}: ${error.message}`))
    this.#closing.unshift(() => cache.close())
    return cache
  }

  /** `close` is called before the connections are closed, and after Redis was emptied: nothing is left to flush. */
  onClose(close: () => Promise<unknown>): void {
    this.#closing.unshift(close)
  }

  /** Empties Redis and the tables. What a flush left half done would be another's. */
  async clear(): Promise<void> {
    await this.emptyRedis()
    await this.pool.query('truncate "Counter", page_views, "Document", write_behind_ledger')
  }

  /** Enough where nothing is flushed. */
  async emptyRedis(): Promise<void> {
    await this.redis.flushall()
    await this.settle()
  }

  /** Redis rewrites its AOF in a child process, which takes a core from whoever is measured then. */
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
