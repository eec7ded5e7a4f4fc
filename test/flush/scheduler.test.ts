/** The alarms of shards and of records: which jobs wait in the queue. */
import { describe, expect, test } from 'vitest'
import { Counters, quick, still } from '../counters.js'

const counters = new Counters()
const { connect, values } = counters

describe('a worker', () => {
  test('flushes although a deduplication mark has outlived its job', async () => {
    const cache = await connect({ counter: { ...quick, debounce: 500, maxWait: 500 } })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.queues[0]?.getDelayedCount()).toBe(1)
    for await (const keys of counters.connection.redis.scanStream({ match: `{${counters.connection.namespace}}:queues*` })) {
      const marked = keys.filter((key: string) => !key.includes(':de:'))
      if (marked.length > 0) await counters.connection.redis.del(...marked)
    }
    await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
  })

  test('flushes when the alarm of a slower policy, or of a clock that is ahead, waits yet', async () => {
    const before = await connect({ counter: still })
    await before.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => before.queues[0]?.getDelayedCount()).toBe(1)
    const cache = await connect({ counter: quick })
    await cache.counter.increment({ name: 'b' }, { value: 1 })
    await cache.startWorker()
    await expect.poll(values).toEqual([{ name: 'b', value: '1' }])
  })
})

describe('jobs per record', () => {
  test('show every key, and complete at once when a neighbour carried the record', async () => {
    const cache = await connect({ counter: { ...quick, jobs: 'record' } })
    await Promise.all(['a', 'b', 'c'].map((name) => cache.counter.increment({ name }, { value: 1 })))
    const [queue] = cache.queues
    await expect.poll(() => queue?.getDelayedCount()).toBe(3)
    expect((await queue?.getDelayed())?.map(({ name }) => name).sort()).toEqual(['flush Counter a', 'flush Counter b', 'flush Counter c'])
    await cache.startWorker()
    await expect.poll(() => queue?.getCompletedCount()).toBe(3)
    const results = (await queue?.getCompleted())?.map(({ returnvalue }) => returnvalue)
    expect(results?.filter(({ note }) => note === 'another batch carried this record')).toHaveLength(2)
    expect(results?.filter(({ records }) => records === 3)).toHaveLength(1)
    expect((await values()).map(({ value }) => value)).toEqual(['1', '1', '1'])
  })

  test('come again for a record that is written while it is flushed', async () => {
    const cache = await connect({ counter: { ...quick, jobs: 'record' } })
    await cache.startWorker()
    counters.gate.close()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await counters.gate.held()
    await cache.counter.increment({ name: 'a' }, { value: 2 })
    counters.gate.open()
    await expect.poll(values).toEqual([{ name: 'a', value: '3' }])
  })
})

test('a parked record that is written again is flushed when it is due, also where each record has its job', async () => {
  const cache = await connect({ counter: { ...quick, jobs: 'record', backoff: 60_000, maxBackoff: 60_000 } }, { sweepInterval: 60_000 })
  await counters.database.query('alter table "Counter" add constraint small check (value < 1000)')
  await cache.startWorker()
  await cache.counter.set({ name: 'a' }, { value: 5000 })
  await expect.poll(() => cache.parked()).toHaveLength(1)
  // Others come first.
  await expect.poll(() => cache.queues[0]?.getDelayed()).toMatchObject([{ opts: { priority: 10 } }])
  await cache.counter.set({ name: 'a' }, { value: 1 })
  await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
})
