import type { Redis } from 'ioredis'
import { models } from '../../generated/write-behind.js'
import { Database } from '../../src/database/postgresql/database.js'
import { createEvents } from '../../src/events.js'
import { Flusher } from '../../src/flush/flusher.js'
import { Semaphore } from '../../src/flush/semaphore.js'
import { ModelCache } from '../../src/model-cache.js'
import { type ResolvedPolicy, resolvePolicy } from '../../src/options.js'
import { Holds } from '../../src/read/holds.js'
import { Inspector } from '../../src/read/inspector.js'
import { Reader } from '../../src/read/reader.js'
import { ShardNames } from '../../src/redis/keys.js'
import { isReply } from '../../src/redis/refusal.js'
import { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { Store } from '../../src/redis/store.js'
import { DirectWriter } from '../../src/write/direct-writer.js'
import { Writer } from '../../src/write/writer.js'
import type { TestDatabase } from '../fixture.js'
import type { Steps } from './steps.js'

export type Calls = ModelCache<typeof models.pageView>

const STATEMENT_TIMEOUT = 30_000
const MODEL = models.pageView
const PREFIX_PARTS = ['packed', 'pend/', 'batch', 'dirty', 'parked']
const EXPIRE = `if redis.call('PTTL', KEYS[1] .. 'view/' .. ARGV[1]) > 0 then
  return redis.call('DEL', KEYS[1] .. 'view/' .. ARGV[1]) end`

export interface Servers {
  readonly database: TestDatabase
  readonly redis: Redis
  readonly store: Store
  readonly connection: RetryingConnection
}

/** Repeats a call at once. */
class QuickLink extends RetryingConnection {
  override async call<T>(send: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await send()
      } catch (error) {
        if (isReply(error)) throw error
      }
    }
  }
}

export function connectServers(database: TestDatabase, redis: Redis): Servers {
  return { database, redis, store: new Store(redis), connection: new QuickLink(redis, 60_000) }
}

/** One shard of PageView with the library's own parts, made of steps. Everything is due at once. */
export class World {
  readonly #servers: Servers
  readonly #steps: Steps
  readonly #shards: ShardNames
  readonly #policy = resolvePolicy(models, 'pageView', { shards: 1, batchSize: 3, debounce: 0, maxWait: 1 })
  readonly #namespace: string
  readonly #views = new Map<string, bigint>()
  /** Rows that a statement took back to an earlier state. */
  readonly steppedBack: string[] = []

  constructor(servers: Servers, steps: Steps, namespace: string) {
    this.#servers = servers
    this.#steps = steps
    this.#namespace = namespace
    this.#shards = new ShardNames(namespace, MODEL.name, 1)
  }

  path(key: string): string {
    return `${this.#namespace}/${key}`
  }

  /** @param crash told when the process of this cache dies at one of its steps; left out, it cannot */
  cache(strategy: ResolvedPolicy['strategy'] = 'write-behind', crash?: () => void): Calls {
    const { store, connection, database } = this.#servers
    const common = { connection, shards: this.#shards, store: this.#steps.store(store, crash) }
    const statements = new Database(
      this.#steps.client(database.prisma, async () => {}, crash),
      MODEL,
      STATEMENT_TIMEOUT,
    )
    const reader = this.#reader(common, statements)
    const holds = this.holds(strategy === 'write-through' ? reader : undefined, crash)
    const limits = { debounce: this.#policy.debounce, maxWait: this.#policy.maxWait, maxDirty: 1000, maxBytes: 2 ** 22, nameClean: false }
    const flush = async (key: string) => void (await this.flusher(crash).flush(0, { key }))
    return new ModelCache({
      model: MODEL,
      shards: 1,
      writer:
        strategy === 'write-behind'
          ? new Writer({ ...common, calls: [common], model: MODEL.name, limits, events: createEvents(), onDirty: () => {} })
          : new DirectWriter({ model: MODEL, database: statements, holds, flush }),
      reader,
      inspector: new Inspector({ ...common, model: MODEL }),
      holds,
    })
  }

  /** @param reader makes the views anew after a release */
  holds(reader?: Reader, crash?: () => void): Holds {
    const { store, connection } = this.#servers
    return new Holds({
      connection,
      shards: this.#shards,
      store: this.#steps.store(store, crash),
      model: MODEL.name,
      events: createEvents(),
      ttl: 2 * STATEMENT_TIMEOUT,
      load: reader === undefined ? undefined : (keys) => reader.load(keys),
    })
  }

  #reader(common: { connection: RetryingConnection; shards: ShardNames; store: Store }, statements: Database): Reader {
    const { viewTtl, missingTtl } = this.#policy
    return new Reader({
      ...common,
      model: MODEL,
      ttl: { view: viewTtl, missing: missingTtl },
      snapshot: (shard, keys) => statements.snapshot(this.#shards.ledger(shard), keys),
      onAdopted: () => {
        throw new Error('a read took the ledger for forgotten')
      },
    })
  }

  /** @param crash told when the flusher dies at one of its steps */
  flusher(crash?: () => void): Flusher {
    const { store, database } = this.#servers
    const client = this.#steps.client(database.prisma, () => this.#look(), crash)
    const events = createEvents()
    events.on('adopted', () => {
      throw new Error('a flush took the ledger for forgotten')
    })
    const statements = new Database(client, MODEL, STATEMENT_TIMEOUT)
    const context = {
      model: MODEL,
      policy: this.#policy,
      shards: this.#shards,
      events,
      limits: { claims: new Semaphore(2), statements: new Semaphore(4) },
    }
    return new Flusher({ ...context, store: this.#steps.store(store, crash), database: statements })
  }

  /** What a TTL does, at any time. */
  async expire(key: string): Promise<void> {
    await this.#servers.redis.eval(EXPIRE, 1, this.#shards.prefix(0), this.path(key))
  }

  /** What the TTL of holds does, whether their holders live or not. */
  async expireHolds(): Promise<void> {
    const prefix = this.#shards.prefix(0)
    await this.#servers.redis.del(`${prefix}holds`, ...(await this.#names('hold/')))
  }

  async #names(part: string): Promise<string[]> {
    return this.#servers.redis.keys(`${this.#shards.prefix(0).replace(/[?*[\]\\]/g, '\\$&')}${part}*`)
  }

  async refuse(key: string, refused: boolean): Promise<void> {
    const sql = refused ? 'insert into refused values ($1) on conflict do nothing' : 'delete from refused where path = $1'
    await this.#servers.database.query(sql, [this.path(key)])
  }

  /** Flushes until nothing is left, parked records included. */
  async drain(): Promise<void> {
    const { store } = this.#servers
    const prefix = this.#shards.prefix(0)
    const flusher = this.flusher()
    for (let round = 0; round < 20; round++) {
      await flusher.flush(0, { before: await store.now() })
      for (const { key } of await store.parked(prefix)) await flusher.flush(0, { key })
      const { dirty, inFlight } = await store.status(prefix)
      if (dirty === 0 && !inFlight) return
    }
    throw new Error('the shard does not drain')
  }

  async leftInRedis(): Promise<string[]> {
    const prefix = this.#shards.prefix(0)
    const keys = await this.#names('')
    return keys.map((key) => key.slice(prefix.length)).filter((key) => PREFIX_PARTS.some((part) => key.startsWith(part)))
  }

  rows(): Promise<{ path: string; views: string; lastStatus: number | null }[]> {
    return this.#servers.database.query(
      `select path, views::text as views, last_status as "lastStatus" from page_views where path like $1 order by path`,
      [`${this.#namespace}/%`],
    )
  }

  /** No row goes back on the way; counters only grow here. */
  async #look(): Promise<void> {
    for (const { path, views } of await this.rows()) {
      if (path.endsWith('/d')) continue
      if (BigInt(views) < (this.#views.get(path) ?? 0n)) this.steppedBack.push(path)
      this.#views.set(path, BigInt(views))
    }
  }
}
