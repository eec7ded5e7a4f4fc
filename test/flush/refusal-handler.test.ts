/** A record that the database refuses is set apart and parked. */
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { Shapes } from '../../src/change/operation.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { Counters, HOUR, quick, still } from '../counters.js'
import { Gate } from '../gate.js'

const counters = new Counters()
const { connect, values } = counters

describe('a refused record', () => {
  beforeEach(async () => {
    await counters.database.query('alter table "Counter" add constraint small check (value < 1000)')
  })

  test('is parked with its reason, while its neighbours are written', async () => {
    const cache = await connect({ counter: still })
    await Promise.all(Array.from({ length: 100 }, (_, n) => cache.counter.increment({ name: `n${n}` }, { value: n === 42 ? 5000 : 1 })))
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', model: 'Counter', keys: ['n42'] })
    expect((await values()).length).toBe(99)
    const [record] = await cache.parked()
    expect(record).toMatchObject({
      model: 'Counter',
      key: 'n42',
      reason: 'Counter: the database refuses this record; correct the data or the constraint, then retry (23514)',
    })
    expect(await cache.counter.findUnique({ where: { name: 'n42' } })).toEqual({ name: 'n42', value: 5000n })
    expect(await cache.status()).toMatchObject([{ dirty: 1, parked: 1 }])
  })

  test('is parked, and holds nobody up, if its key is too long for the index of the table', async () => {
    const cache = await connect({ counter: still })
    const name = randomBytes(6000).toString('hex')
    await Promise.all([name, 'a', 'b'].map((each) => cache.counter.increment({ name: each }, { value: 1 })))
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: [name] })
    expect((await values()).map((row) => row.name)).toEqual(['a', 'b'])
    await cache.counter.delete({ where: { name } })
    await cache.flush()
  })

  test('is repaired by the next good write', async () => {
    const cache = await connect({ counter: quick })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 5000 })
    await expect.poll(() => cache.parked()).toHaveLength(1)
    await cache.counter.increment({ name: 'a' }, { value: -4500 })
    await expect.poll(values).toEqual([{ name: 'a', value: '500' }])
    await expect.poll(() => cache.parked()).toHaveLength(0)
  })

  test('is read as it was written, even if its number leaves 64 bits while it is refused', async () => {
    const cache = await connect({ counter: still })
    const most = 2n ** 63n - 1n
    await cache.counter.set({ name: 'a' }, { value: most })
    counters.gate.close()
    const flushing = cache.flush()
    await counters.gate.held()
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    counters.gate.open()
    await expect(flushing).rejects.toMatchObject({ code: 'PARKED' })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: most + 10n })
    expect(await cache.counter.pending({ name: 'a' })).toMatchObject({ state: 'parked', set: { value: most + 10n } })
  })

  test.each([
    ['of all records', undefined],
    ['of the record', { model: 'counter', key: { name: 'a' } }],
  ] as const)('is named by each barrier %s that meets it, not only by the one whose statement was refused', async (_, what) => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 5000 })
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
    counters.gate.close()
    const flushing = cache.flush(what)
    await counters.gate.held()
    const other = await connect({ counter: still }, { gate: new Gate() })
    await expect(other.flush()).rejects.toMatchObject({ code: 'PARKED' })
    counters.gate.open()
    await expect(flushing).rejects.toMatchObject({ code: 'PARKED', keys: ['a'] })
  })

  test('is written by its own job once the database takes it', async () => {
    const cache = await connect({ counter: quick })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 5000 })
    await expect.poll(() => cache.parked()).toHaveLength(1)
    await expect.poll(async () => (await cache.queues[0]?.getDelayed())?.map(({ name }) => name)).toEqual(['retry parked Counter a'])
    await counters.database.query('alter table "Counter" drop constraint small')
    await expect.poll(values).toEqual([{ name: 'a', value: '5000' }])
  })

  test('is parked, not dropped, if it names a field that the model does not have any more', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    const prefix = shardPrefix(counters.connection.namespace, 'Counter', 0)
    const colour = { key: 'a', shape: new Shapes([]).intern('update', ['colour'], [], []), values: ['red'] }
    const limits = { debounce: HOUR, maxWait: HOUR, maxDirty: 10, maxBytes: 2 ** 22, nameClean: false }
    await new Store(counters.connection.redis).write(prefix, 'earlier version', 1, 1, limits, [colour])
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: ['a'] })
    expect(await cache.parked()).toMatchObject([{ reason: 'Counter: the model has no field colour any more' }])
    await counters.connection.redis.hdel(`${prefix}pend/a`, '=colour')
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })
})
