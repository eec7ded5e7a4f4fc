import { UnavailableError, WriteBehindError } from '../errors.js'
import { plainFields, startOf } from '../schema/change.js'
import type { Model } from '../schema/model.js'
import { Gatherer } from './gatherer.js'
import type { ShardNames } from './keys.js'
import type { Link } from './link.js'
import type { Store, View } from './store.js'

/** A load that finds the ledger moved this often in a row gives up, after some seconds; each try takes one statement and one call. */
const MOST_LOADS = 100
const LONGEST_PAUSE = 50

/** Rows of one shard as the database holds them, and the ledger of the same moment. */
export interface Snapshot {
  readonly ledger: string | null
  /** Stored texts of the fields asked for, in their order; `undefined`: no such row. */
  readonly rows: readonly { readonly key: string; readonly values: readonly string[] | undefined }[]
}

export interface ReaderContext {
  readonly model: Model
  readonly store: Store
  readonly link: Link
  readonly ttl: { readonly view: number; readonly missing: number }
  readonly shards: ShardNames
  snapshot(shard: number, keys: readonly string[]): Promise<Snapshot>
  onAdopted(shard: number, ledger: string | null): void
}

/** Reads views, and loads those that are not there: from the database, with what it does not have yet laid over it. */
export class Reader {
  readonly #context: ReaderContext
  readonly #fields: readonly { name: string; start: string }[]
  readonly #names: readonly string[]
  readonly #views: Gatherer<View | undefined>
  readonly #loads: Gatherer<View>

  constructor(context: ReaderContext) {
    this.#context = context
    this.#fields = plainFields(context.model).map((field) => ({ name: field.name, start: startOf(field) }))
    this.#names = this.#fields.map(({ name }) => name)
    this.#views = new Gatherer((shard, keys, close) => this.#read(shard, keys, close))
    this.#loads = new Gatherer((shard, keys, close) => this.#load(shard, keys, close))
  }

  /** Values of the fields that are not the key, in the order of the model. */
  find<R>(shard: number, key: string, toRow: (view: View) => R): Promise<R> {
    return this.#views.get(shard, key).then((view) => (view === undefined ? this.#loads.get(shard, key).then(toRow) : toRow(view)))
  }

  #read(shard: number, keys: readonly string[], close: () => void): Promise<(View | undefined)[]> {
    close() // at once: nobody joins a look at the views, which may be over when he comes
    return this.#call(() => this.#context.store.read(this.#context.shards.prefix(shard), this.#names, keys))
  }

  async #load(shard: number, keys: readonly string[], close: () => void): Promise<View[]> {
    const { model, store, ttl, snapshot, onAdopted } = this.#context
    const views = new Map<string, View>()
    let missing = keys
    let state = ''
    for (let attempt = 0; missing.length > 0; attempt++) {
      if (attempt === MOST_LOADS) throw new UnavailableError(model.name, new Error('the row could not be read between two flushes'))
      if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, Math.min(attempt, LONGEST_PAUSE)))
      const taken = await snapshot(shard, missing)
      close()
      const loaded = await this.#call(() => store.load(this.#context.shards.prefix(shard), ttl, this.#fields, taken, state))
      state = loaded.state
      if (loaded.outcome === 'adopted') onAdopted(shard, taken.ledger)
      taken.rows.forEach(({ key }, position) => {
        const view = loaded.views[position]
        if (view !== undefined) views.set(key, view)
      })
      missing = missing.filter((key) => !views.has(key))
    }
    return keys.map((key) => views.get(key) as View)
  }

  async #call<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await this.#context.link.call(send)
    } catch (error) {
      throw error instanceof WriteBehindError ? error : new UnavailableError(this.#context.model.name, error)
    }
  }
}
