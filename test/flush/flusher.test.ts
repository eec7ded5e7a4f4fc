/** The flush of a batch: it is applied once, whatever happens between the claim and the acknowledgement. */
import type { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { Counters, quick, still } from '../counters.js'
import { Gate } from '../gate.js'

const counters = new Counters()
const { connect, values } = counters

describe('a flush', () => {
  test.each([1, 4])('retries an outage with the same batch until the database is back, and parks nothing (failures: %i)', async (times) => {
    const cache = await connect({ counter: quick })
    const parked: unknown[] = []
    cache.events.on('parked', (event) => parked.push(event))
    await cache.startWorker()
    counters.gate.fail(times, 'before')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
    expect(counters.gate.failed).toBe(times)
    expect(await cache.parked()).toEqual([])
    expect(parked).toEqual([])
  })

  test('counts a batch once when the reply to its commit was lost', async () => {
    const cache = await connect({ counter: quick })
    await cache.startWorker()
    counters.gate.fail(3, 'after')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.status()).toMatchObject([{ dirty: 0 }])
    expect(counters.gate.failed).toBeGreaterThan(0)
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })

  test('repeats a statement that gets no answer, and counts it once', async () => {
    const cache = await connect({ counter: quick }, { statementTimeout: 1000 })
    await cache.startWorker()
    counters.gate.close('with fence')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await counters.gate.held()
    await expect.poll(() => counters.gate.statements).toBeGreaterThan(2)
    counters.gate.open()
    await expect.poll(() => cache.status()).toMatchObject([{ dirty: 0 }])
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })
})

describe('a worker that is paused before its statement', () => {
  test('changes nothing when it goes on after another worker has flushed its batch and a newer one', async () => {
    const paused = new Gate()
    const cache = await connect({ counter: still })
    const other = await connect({ counter: still }, { gate: paused })
    await cache.counter.upsert({ where: { name: 'a' }, create: { value: 1 }, update: { value: 1 } })
    paused.close()
    const late = other.flush()
    await paused.held()
    await cache.flush()
    await cache.counter.upsert({ where: { name: 'a' }, create: { value: 2 }, update: { value: 2 } })
    await cache.flush()
    paused.open()
    await late
    expect(await values()).toEqual([{ name: 'a', value: '2' }])
  })

  test('cannot apply a batch that another worker has declared void meanwhile', async () => {
    const paused = new Gate()
    const cache = await connect({ counter: still })
    const other = await connect({ counter: still }, { gate: paused })
    await Promise.all(['a', 'b'].map((name) => cache.counter.increment({ name }, { value: 1 })))
    await counters.database.query('alter table "Counter" add constraint small check (name <> \'a\')')
    paused.close()
    const late = other.flush().catch((error: { code: string }) => error.code)
    await paused.held()
    await cache.flush().catch(() => {})
    await counters.database.query('alter table "Counter" drop constraint small')
    paused.open()
    await late
    await cache.flush()
    expect(await values()).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '1' },
    ])
  })
})

describe('a Redis that was emptied', () => {
  test('is noticed by means of the ledger: an event says so, and the shard goes on', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    await counters.connection.empty()
    const adopted: unknown[] = []
    cache.events.on('adopted', (event) => adopted.push(event))
    await cache.counter.increment({ name: 'a' }, { value: 2 })
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: '3' }])
    expect(adopted).toMatchObject([{ model: 'Counter', shard: 0 }])
  })
})

describe('a Redis that was put back in time', () => {
  test('is noticed when its batch in flight was applied before: an event says so, and only what was pending is repeated', async () => {
    const { redis } = counters.connection
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    counters.gate.close()
    const flushing = cache.flush()
    await counters.gate.held()
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    const copy = await copyOf(redis, counters.connection.namespace)
    counters.gate.open()
    await flushing
    await cache.flush()
    await counters.connection.empty()
    for (const [key, value] of copy) await redis.restore(key, 0, value)
    const adopted: unknown[] = []
    cache.events.on('adopted', (event) => adopted.push(event))
    await cache.flush()
    expect(adopted).toMatchObject([{ model: 'Counter', shard: 0 }])
    expect(await values()).toEqual([{ name: 'a', value: '21' }])
  })
})

async function copyOf(redis: Redis, namespace: string): Promise<[key: string, value: Buffer][]> {
  const keys = await redis.keys(`{${namespace}*`)
  return Promise.all(keys.map(async (key): Promise<[string, Buffer]> => [key, (await redis.dumpBuffer(key)) as Buffer]))
}
