import { shardPrefix } from '../src/redis/keys.js'
import type { Lease, WriteLimits } from '../src/redis/replies.js'
import { Store } from '../src/redis/store.js'
import type { Operation } from '../src/schema/operation.js'
import { createRedis } from './fixture.js'

const LIMITS: WriteLimits = { debounce: 0, maxWait: 1, mostDirty: 100, nameClean: true }
const TTL = { view: 60_000, missing: 60_000 }

/** A shard of a model, and the steps that a test takes by hand. */
export class TestShard {
  readonly connection = createRedis()
  readonly store = new Store(this.connection.redis)
  readonly prefix: string
  /** Of the writes from now on. */
  limits = LIMITS
  #sequence = 0

  constructor(model: string) {
    this.prefix = shardPrefix(this.connection.namespace, model, 0)
  }

  write(...operations: Operation[]) {
    return this.store.write(this.prefix, 'writer', ++this.#sequence, operations.length, this.limits, operations)
  }

  /** The last call, as a client that got no reply sends it again. */
  writeAgain(...operations: Operation[]) {
    return this.store.write(this.prefix, 'writer', this.#sequence, operations.length, this.limits, operations)
  }

  /** Makes the view, of a row as the database would hold it. */
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

  /** Claims the record, and has the database refuse it, with `between` done meanwhile. */
  async park(key: string, between: () => Promise<unknown> = async () => {}): Promise<void> {
    const { batch } = await this.store.claim(this.prefix, `batch-${++this.#sequence}`, { records: 10, bytes: 1000 }, { key })
    await between()
    await this.store.park(this.prefix, batch?.id as string, 'reason', 'next')
  }
}
