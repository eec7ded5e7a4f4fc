import { randomUUID } from 'node:crypto'
import { startOf } from '../change/change.js'
import { UnavailableError } from '../errors.js'
import { plainFields } from '../model/fields.js'
import { shardOf } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import { recordsInACall } from '../redis/limits.js'
import type { CachedRow, Lease, Snapshot } from '../redis/replies.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'
import { Batcher } from './batcher.js'

/** A load gives up when the ledger has changed during this many tries in a row. That takes some seconds. Each try is one statement and one call. */
const MAX_LOADS = 100
const LONGEST_PAUSE = 50
/** Ms. A load that takes longer answers the read, but does not cache the row. */
const LEASE_TTL = 10_000

export interface ReaderContext {
  readonly model: Model
  readonly store: Store
  readonly connection: RetryingConnection
  readonly ttl: { readonly view: number; readonly missing: number }
  readonly shards: ShardNames
  /** @returns the rows that can be read, in the order of the keys, and an error by key for each of the others */
  snapshot(shard: number, keys: readonly string[]): Promise<Snapshot & { readonly unreadable: ReadonlyMap<string, Error> }>
  onAdopted(shard: number, ledger: string | null): void
}

interface Wanted {
  readonly key: string
  readonly lease: string
  answer: CachedRow | Error | undefined
}

/**
 * Reads cached rows. If one is missing, it loads the row from the database and applies the changes that are not in the database yet.
 *
 * A miss comes with a lease, and misses under one lease share one load. A hold for a statement that changes the row drops the lease. So a later miss
 * has another lease and a load of its own, which sees that statement.
 */
export class Reader {
  readonly #context: ReaderContext
  readonly #fields: readonly { name: string; start: string }[]
  readonly #names: readonly string[]
  readonly #views: Batcher<CachedRow | Lease>
  readonly #loads: Batcher<CachedRow>
  readonly #id = randomUUID()
  #reads = 0

  constructor(context: ReaderContext) {
    this.#context = context
    this.#fields = plainFields(context.model).map((field) => ({ name: field.name, start: startOf(field) }))
    this.#names = this.#fields.map(({ name }) => name)
    // A read of cached rows is too short to be joined.
    this.#views = new Batcher((shard, keys) => this.#read(shard, keys), false, recordsInACall(1))
    this.#loads = new Batcher((shard, requests) => this.#loadAll(shard, requests), true, recordsInACall(this.#names.length + 3))
  }

  /** The stored texts of the fields that are not in the key, in the order of the model. */
  find<R>(shard: number, key: string, toRow: (view: CachedRow) => R): Promise<R> {
    return this.#views
      .get(shard, key)
      .then((found) => (isLease(found) ? this.#loads.get(shard, `${found.lease} ${key}`).then(toRow) : toRow(found)))
  }

  /** Caches the rows of the records that are not cached. */
  async load(keys: readonly string[]): Promise<void> {
    const { count } = this.#context.shards
    await Promise.all(keys.map((key) => this.find(shardOf(key, count), key, () => undefined)))
  }

  #read(shard: number, keys: readonly string[]): Promise<(CachedRow | Lease)[]> {
    const { store, shards } = this.#context
    // Each attempt has a name of its own, because the first one may arrive after its lease was dropped.
    return this.#ask(() => store.read(shards.prefix(shard), `${this.#id}.${++this.#reads}`, LEASE_TTL, this.#names, keys))
  }

  async #loadAll(shard: number, requests: readonly string[]): Promise<(CachedRow | Error)[]> {
    const wanted = requests.map(toWanted)
    let missing = wanted
    let state = ''
    for (let attempt = 0; missing.length > 0; attempt++) {
      if (attempt === MAX_LOADS)
        throw new UnavailableError(this.#context.model.name, new Error('the row could not be read between two flushes'))
      if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, Math.min(attempt, LONGEST_PAUSE)))
      state = await this.#try(shard, missing, state)
      missing = missing.filter(({ answer }) => answer === undefined)
    }
    return wanted.map(({ answer }) => answer as CachedRow | Error)
  }

  async #try(shard: number, wanted: readonly Wanted[], lastState: string): Promise<string> {
    const { store, shards, ttl, snapshot, onAdopted } = this.#context
    const taken = await snapshot(
      shard,
      wanted.map(({ key }) => key),
    )
    for (const each of wanted) each.answer = taken.unreadable.get(each.key)
    const readable = wanted.filter(({ answer }) => answer === undefined)
    const leases = readable.map(({ lease }) => lease)
    const loaded = await this.#ask(() => store.load(shards.prefix(shard), ttl, this.#fields, taken, leases, lastState))
    if (loaded.outcome === 'adopted') onAdopted(shard, taken.ledger)
    readable.forEach((each, n) => {
      each.answer = loaded.rows[n]
    })
    return loaded.state
  }

  #ask<T>(send: () => Promise<T>): Promise<T> {
    return this.#context.connection.ask(this.#context.model.name, send)
  }
}

function isLease(found: CachedRow | Lease): found is Lease {
  return typeof found === 'object' && !Array.isArray(found)
}

/** The request for a load is a lease, a space and a key. Neither contains a space. */
function toWanted(request: string): Wanted {
  const space = request.indexOf(' ')
  return { lease: request.slice(0, space), key: request.slice(space + 1), answer: undefined }
}
