import type { Redis } from 'ioredis'
import { ConfigurationError } from '../errors.js'
import { isObject } from '../model/key.js'
import { identityKey, shardCountsKey, shardPrefix } from '../redis/keys.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import { Store } from '../redis/store.js'

/** The version of what Redis stores under a namespace (docs/format.md). A key that names no version has this one. */
export const LAYOUT = 1

/** The field of the namespace itself. No model can have this name. */
const NAMESPACE = ':namespace'

/** The database that a namespace is bound to. */
export interface BoundDatabase {
  /** The system identifier of PostgreSQL; '' if it could not be read. */
  readonly system: string
  readonly database: string
}

/** The ledger that a model is bound to. */
export interface BoundLedger {
  readonly id: string
  /** Quoted and qualified. */
  readonly table: string
}

export interface Bound {
  readonly database: BoundDatabase | undefined
  /** One for each model that was asked for, in the same order. */
  readonly ledgers: readonly (BoundLedger | undefined)[]
}

/** The key in Redis that names the database of a namespace and the ledger of each model. Its fields are never overwritten. */
export class IdentityKey {
  readonly #redis: Redis
  readonly #connection: RetryingConnection
  readonly #namespace: string

  constructor(redis: Redis, connection: RetryingConnection, namespace: string) {
    this.#redis = redis
    this.#connection = connection
    this.#namespace = namespace
  }

  get name(): string {
    return identityKey(this.#namespace)
  }

  /**
   * @throws ConfigurationError when the namespace has another layout than this release
   * @throws UnavailableError
   */
  async read(models: readonly string[]): Promise<Bound> {
    const [own, ...ledgers] = await this.#connection.ask(undefined, () => this.#redis.hmget(this.name, NAMESPACE, ...models))
    const namespace = this.#parse(own)
    if (namespace !== undefined && namespace.layout !== String(LAYOUT)) {
      throw new ConfigurationError(
        `namespace "${this.#namespace}": expected layout ${LAYOUT} in Redis, got ${namespace.layout}; use the version of write-behind that has written it, or a later one`,
      )
    }
    return {
      database: namespace && { system: this.#part(namespace, 'system'), database: this.#part(namespace, 'database') },
      ledgers: ledgers.map((text) => {
        const ledger = this.#parse(text)
        return ledger && { id: this.#part(ledger, 'id'), table: this.#part(ledger, 'table') }
      }),
    }
  }

  /**
   * Binds what is not bound yet. The caller reads the key again afterwards, because another process may have bound it first.
   * @throws UnavailableError
   */
  async bind(database: BoundDatabase, models: ReadonlyMap<string, BoundLedger>): Promise<void> {
    await this.#add(NAMESPACE, { layout: String(LAYOUT), ...database })
    const { database: bound } = await this.read([])
    // Another process has bound the namespace to another database, so the models are left alone.
    if (bound?.system !== database.system || bound.database !== database.database) return
    for (const [model, ledger] of models) await this.#add(model, { ...ledger })
  }

  /**
   * Drops all cached rows of a namespace before it is bound, because they may come from another database.
   * @throws UnavailableError
   */
  async dropViews(): Promise<void> {
    const store = new Store(this.#redis)
    const counts = await this.#connection.ask(undefined, () => this.#redis.hgetall(shardCountsKey(this.#namespace)))
    for (const [model, count] of Object.entries(counts)) {
      for (let shard = 0; shard < Number(count); shard++)
        await this.#connection.ask(model, () => store.invalidate(shardPrefix(this.#namespace, model, shard), []))
    }
  }

  async #add(field: string, value: Readonly<Record<string, string>>): Promise<void> {
    await this.#connection.ask(undefined, () => new Store(this.#redis).share(this.name, field, JSON.stringify(value)))
  }

  #parse(text: string | null | undefined): Record<string, unknown> | undefined {
    if (text === null || text === undefined) return undefined
    try {
      const value: unknown = JSON.parse(text)
      if (isObject(value)) return value
    } catch {
      // Reported below.
    }
    throw this.#unreadable()
  }

  #part(value: Record<string, unknown>, name: string): string {
    const part = value[name]
    if (typeof part !== 'string') throw this.#unreadable()
    return part
  }

  #unreadable(): ConfigurationError {
    return new ConfigurationError(
      `namespace "${this.#namespace}": expected the key ${this.name} in Redis to name its database, got something else; restore the key, or use another namespace`,
    )
  }
}
