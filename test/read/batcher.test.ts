/** Reads that miss at the same time are loaded together. */
import { expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import { Database } from '../../src/database/postgresql/database.js'
import { Reader } from '../../src/read/reader.js'
import { ShardNames, shardPrefix } from '../../src/redis/keys.js'
import { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { Store } from '../../src/redis/store.js'
import { Counters, still } from '../counters.js'

const LIMITS = { debounce: 0, maxWait: 1, maxDirty: 100, maxBytes: 2 ** 22, nameClean: false }
const TTL = { view: 60_000, missing: 5000 }

const counters = new Counters()

test('a read does not join a load whose rows Redis has already had', async () => {
  const { redis, namespace } = counters.connection
  const store = new Store(redis)
  const prefix = shardPrefix(namespace, 'Counter', 0)
  const gate = new Pause()
  const load: Store['load'] = async (...args) => {
    const loaded = await store.load(...args)
    await gate.pass()
    return loaded
  }
  const read: Store['read'] = (...args) => store.read(...args)
  const shards = new ShardNames(namespace, 'Counter', 1)
  const rows = new Database(counters.database.prisma, models.counter, 30_000)
  const reader = new Reader({
    model: models.counter,
    store: Object.assign(Object.create(Store.prototype) as Store, { load, read }),
    connection: new RetryingConnection(redis, 5000),
    shards,
    ttl: TTL,
    snapshot: (shard, keys) => rows.snapshot(shards.ledger(shard), keys),
    onAdopted: () => {},
  })
  const early = reader.find(0, 'a', (view) => view)
  await gate.reached
  await redis.del(`${prefix}view/a`) // as its TTL may
  await store.write(prefix, 'writer', 1, 1, LIMITS, [new Compiler(models.counter).increment({ name: 'a' }, { value: 1 })])
  const late = reader.find(0, 'a', (view) => view)
  await new Promise((resolve) => setTimeout(resolve, 50))
  gate.open()
  expect(await early).toBe('missing')
  expect(await late).toEqual(['1'])
})

test('a read of thousands of keys loads them in groups', async () => {
  const cache = await counters.connect({ counter: { ...still, shards: 2 } })
  const names = Array.from({ length: 3000 }, (_, n) => `many ${n}`)
  await counters.database.prisma.counter.createMany({ data: names.map((name, n) => ({ name, value: n })) })
  const rows = await cache.counter.findMany({ keys: names.map((name) => ({ name })) })
  expect(rows).toEqual(names.map((name, n) => ({ name, value: BigInt(n) })))
})

/** Holds up once whoever passes. */
class Pause {
  readonly reached: Promise<void>
  #reach = () => {}
  #open = () => {}
  readonly #opened: Promise<void>

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#reach = resolve
    })
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  pass(): Promise<void> {
    this.#reach()
    return this.#opened
  }

  open(): void {
    this.#open()
  }
}
