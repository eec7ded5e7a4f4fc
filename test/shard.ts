import type { Operation } from '../src/change/operation.js'
import { META_SINCE, STATE } from '../src/redis/format.js'
import { shardPrefix } from '../src/redis/keys.js'
import type { Lease, WriteLimits } from '../src/redis/replies.js'
import { Store } from '../src/redis/store.js'
import { createRedis } from './fixture.js'

const LIMITS: WriteLimits = { debounce: 0, maxWait: 1, maxDirty: 100, maxBytes: 2 ** 22, nameClean: true }
const TTL = { view: 60_000, missing: 60_000 }

/** A shard of a model, and the steps of a flush that a test makes by hand. */
export class TestShard {
  readonly connection = createRedis()
  readonly store = new Store(this.connection.redis)
  readonly prefix: string
  /** The limits of all writes from now on. */
  limits = LIMITS
  #sequence = 0

  constructor(model: string) {
    this.prefix = shardPrefix(this.connection.namespace, model, 0)
  }

  write(...operations: Operation[]) {
    return this.store.write(this.prefix, 'writer', ++this.#sequence, operations.length, this.limits, operations)
  }

  /** Sends the last call again, as a client does that got no reply. */
  writeAgain(...operations: Operation[]) {
    return this.store.write(this.prefix, 'writer', this.#sequence, operations.length, this.limits, operations)
  }

  /** Stores the cached row of a record. `values` is its row in the database. */
  async load(
    key: string,
    fields: readonly { name: string; start: string }[],
    values: string[] | undefined,
    ledger: string | null = null,
  ): Promise<void> {
    const names = fields.map(({ name }) => name)
    const [found] = await this.store.read(this.prefix, `lease-${++this.#sequence}`, 1000, names, [key])
    await this.store.load(this.prefix, TTL, fields, { ledger, rows: [{ key, values }] }, [(found as Lease).lease], '')
  }

  /** Changes when the dirty record was first written, and when it is due. */
  async putBack(key: string, since: number, due: number): Promise<void> {
    const { redis } = this.connection
    const packed = await redis.hgetBuffer(`${this.prefix}packed`, key)
    const meta = await redis.hget(`${this.prefix}pend/${key}`, '~')
    if (packed !== null)
      await redis.hset(`${this.prefix}packed`, key, Buffer.concat([Buffer.from(`${due}${since}`), packed.subarray(STATE)]))
    if (meta !== null) await redis.hset(`${this.prefix}pend/${key}`, '~', `${meta.slice(0, META_SINCE)}${since}`)
    await redis.zadd(`${this.prefix}dirty`, due, key)
  }

  /** Claims the record, calls `between`, and parks the record. */
  async park(key: string, between: () => Promise<unknown> = async () => {}): Promise<void> {
    const { batch } = await this.store.claim(this.prefix, `batch-${++this.#sequence}`, { records: 10, bytes: 1000 }, { key })
    await between()
    await this.store.park(this.prefix, batch?.id as string, ['reason'], 'next')
  }
}
