import type { Redis } from 'ioredis'
import { models } from '../../generated/write-behind.js'
import { startOf } from '../../src/change/change.js'
import type { RowChange } from '../../src/database/database.js'
import { BatchDecoder } from '../../src/flush/decoder.js'
import { plainFields } from '../../src/model/fields.js'
import { shardPrefix } from '../../src/redis/keys.js'
import type { Batch, CachedRow, ClaimTarget, Lease } from '../../src/redis/replies.js'
import type { Store } from '../../src/redis/store.js'
import { fail, hasFailed } from './failing-store.js'
import type { Deed, State } from './operations.js'

export const TTL = { view: 60_000, missing: 60_000 }
const LIMITS = { debounce: 0, maxWait: 1, maxDirty: 100_000, maxBytes: 2 ** 20, nameClean: true }
const BATCH = { records: 3000, bytes: 2 ** 22 }
const FIELDS = plainFields(models.pageView).map((field) => ({ name: field.name, start: startOf(field) }))
const NAMES = FIELDS.map(({ name }) => name)
/** A time in ms that is later than every other one. */
const NEVER = 8e12
const MAX_BATCHES = 60
const NO_TIME = new Date(0).toISOString()
const OF_WHAT_IS_DIRTY = ['packed', 'dirty', 'batch', 'parked', 'intent']

export interface Servers {
  readonly redis: Redis
  readonly store: Store
  /** A store in whose scripts a command can fail, see failing-store.ts. */
  readonly failing: Store
}

let plays = 0

/** A deed, and the record that it is done to. */
export type Write = readonly [key: string, deed: Deed]

/**
 * One play has a shard of its own, and acts as its application and its flusher. It knows which writes were acknowledged, and what each record may be.
 * It keeps what is flushed, batch by batch, so that many plays can be persisted at once.
 */
export class Play {
  readonly title: string
  readonly prefix: string
  /** The changes for the database, in the order of the batches. */
  readonly flushed: (readonly RowChange[])[] = []
  /** What the row of each record may be when everything is flushed. */
  readonly possible = new Map<string, State[]>()
  /** What the row of each record is before the play. */
  readonly before = new Map<string, State>()
  /** What the cached rows are at the end. */
  readonly views = new Map<string, State>()
  readonly #servers: Servers
  readonly #decoder = new BatchDecoder(models.pageView)
  readonly #voided = new Set<string>()
  readonly #applied = new Set<string>()
  readonly #name: string
  #ledger: string | null = null
  #ids = 0

  constructor(servers: Servers, namespace: string, title: string) {
    this.#servers = servers
    this.#name = `${++plays}`
    this.title = title
    this.prefix = shardPrefix(`${namespace}-${this.#name}`, 'PageView', 0)
  }

  get store(): Store {
    return this.#servers.store
  }

  path(key: string): string {
    return `${this.#name}/${key}`
  }

  newId(): string {
    return `id-${++this.#ids}`
  }

  /** Says what the database has of a record when the play begins. */
  begin(key: string, row: State): void {
    this.before.set(key, row)
    this.possible.set(key, [row])
  }

  /** Makes writes that are acknowledged. */
  async write(...writes: Write[]): Promise<void> {
    this.#acknowledge(writes, await this.#send(this.store, writes))
  }

  /**
   * Makes writes whose outcome is unknown: of each record, all writes may have been stored, or none, or only the first ones. The application drops the
   * cached rows of these records.
   */
  async writeInVain(store: Store, ...writes: Write[]): Promise<void> {
    this.#doubt(writes)
    try {
      await this.#send(store, writes)
    } catch (error) {
      await this.#dropCachedRows(writes)
      throw error
    }
  }

  /**
   * Makes writes whose first reply is lost, so that the connection sends the same call again. The second reply says that each write is stored once, or
   * that nobody knows.
   */
  async writeLosingReply(store: Store, ...writes: Write[]): Promise<void> {
    const sequence = ++this.#ids
    await this.#send(store, writes, sequence).catch(ignoreLost)
    try {
      this.#acknowledge(writes, await this.#send(this.store, writes, sequence))
    } catch (error) {
      if (!(error as Error).message.startsWith('UNFINISHED')) throw error
      this.#doubt(writes)
      await this.#dropCachedRows(writes)
    }
  }

  async load(key: string, store = this.store): Promise<void> {
    const row = this.before.get(key) ?? null
    const [found] = await this.store.read(this.prefix, this.newId(), 60_000, NAMES, [this.path(key)])
    const values = row === null ? undefined : [`${row.views}`, '0', row.lastStatus === null ? '\0' : `${row.lastStatus}`, '\0', NO_TIME]
    const rows = [{ key: this.path(key), values }]
    await store.load(this.prefix, TTL, FIELDS, { ledger: this.#ledger, rows }, [(found as Lease).lease], '')
  }

  async claim(store = this.store, target: ClaimTarget = { before: NEVER }): Promise<Batch | undefined> {
    return (await store.claim(this.prefix, this.newId(), BATCH, target)).batch
  }

  /** Lets the database refuse the batch in flight. */
  async void(): Promise<Batch> {
    const batch = (await this.claim()) as Batch
    this.#ledger = `void:${batch.id}`
    this.#voided.add(batch.id)
    return batch
  }

  /** Persists the batch in flight without acknowledging it. */
  async persist(): Promise<Batch> {
    const batch = (await this.claim()) as Batch
    if (!this.#applied.has(batch.id)) this.flushed.push(this.#decoder.decode(batch.packed).changes)
    this.#applied.add(batch.id)
    this.#ledger = batch.id
    return batch
  }

  acknowledge({ id, size }: Batch, store = this.store) {
    return store.acknowledge(this.prefix, id, id, this.newId(), TTL, size, false)
  }

  /** Runs a step and lets one of its commands fail. Resolves to false when the step has fewer commands. */
  async failAt(command: number, step: (store: Store) => Promise<unknown>): Promise<boolean> {
    const { redis, failing } = this.#servers
    await fail(redis, this.prefix, command)
    const error = await step(failing).then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    if (error !== undefined && !/injected/.test(error.message)) throw error
    return hasFailed(redis, this.prefix)
  }

  /** Flushes until nothing is left, parked records included, and checks that Redis holds no changes. */
  async drain(): Promise<void> {
    for (let batches = 0; ; batches++) {
      if (batches === MAX_BATCHES) throw new Error(`the shard is not clean after ${MAX_BATCHES} batches`)
      const batch = (await this.claim()) ?? (await this.#claimParked())
      if (batch === undefined) break
      if (this.#voided.has(batch.id)) await this.store.park(this.prefix, batch.id, ['refused'], this.newId())
      else await this.acknowledge(await this.persist())
    }
    const { dirty, inFlight, parked } = await this.store.status(this.prefix)
    if (dirty + parked > 0 || inFlight)
      throw new Error(`expected a clean shard, found ${dirty} dirty and ${parked} parked records, batch in flight: ${inFlight}`)
    const names = [...OF_WHAT_IS_DIRTY, ...[...this.possible.keys()].map((key) => `pend/${this.path(key)}`)]
    const left = await this.#servers.redis.exists(...names.map((name) => this.prefix + name))
    if (left > 0) throw new Error(`expected none of these keys in Redis, found ${left} of them: ${names.join(', ')}`)
  }

  async #claimParked(): Promise<Batch | undefined> {
    const keys = (await this.store.parked(this.prefix)).map(({ key }) => key)
    return keys.length === 0 ? undefined : this.claim(this.store, { keys })
  }

  /** Checks that every cached row is possible. */
  async look(): Promise<void> {
    const keys = [...this.possible.keys()]
    const found = await this.store.read(
      this.prefix,
      this.newId(),
      1,
      NAMES,
      keys.map((key) => this.path(key)),
    )
    this.views.clear()
    for (const [n, key] of keys.entries()) {
      const view = found[n] as CachedRow | Lease
      if (typeof view === 'object' && 'lease' in view) continue
      const row = view === 'missing' ? null : { views: BigInt(view[0] as string), lastStatus: view[2] === '\0' ? null : Number(view[2]) }
      this.views.set(key, row)
      if (!isOneOf(row, this.#possible(key)))
        throw new Error(`expected the cached row of ${key} to be ${this.describe(key)}, found ${describe(row)}`)
    }
  }

  describe(key: string): string {
    return [...new Set(this.#possible(key).map(describe))].join(' or ')
  }

  #possible(key: string): State[] {
    const found = this.possible.get(key)
    if (found !== undefined) return found
    this.begin(key, null)
    return [null]
  }

  #acknowledge(writes: readonly Write[], refused: ReadonlyMap<number, unknown>): void {
    for (const [n, [key, deed]] of writes.entries()) if (!refused.has(n)) this.possible.set(key, this.#possible(key).map(deed.does))
  }

  #doubt(writes: readonly Write[]): void {
    for (const [key, deed] of writes) {
      const possible = this.#possible(key)
      this.possible.set(key, [...possible, ...possible.map(deed.does)])
    }
  }

  #dropCachedRows(writes: readonly Write[]): Promise<void> {
    return this.store.invalidate(this.prefix, [...new Set(writes.map(([key]) => this.path(key)))])
  }

  async #send(store: Store, writes: readonly Write[], sequence = ++this.#ids): Promise<ReadonlyMap<number, unknown>> {
    const operations = writes.map(([key, deed]) => deed.make(this.path(key)))
    const { refused } = await store.write(this.prefix, 'writer', sequence, writes.length, LIMITS, operations, 'trace ')
    return refused
  }
}

/** The play loses the first reply, whatever it says. */
function ignoreLost(): void {}

export function describe(row: State): string {
  return row === null ? 'missing' : `${row.views} views, status ${row.lastStatus}`
}

export function isOneOf(row: State, states: readonly State[]): boolean {
  return states.some((state) => describe(state) === describe(row))
}
