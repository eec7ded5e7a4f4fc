/** What a sweep finds that no job brings to an end. */
import type { Queue } from 'bullmq'
import { describe, expect, test } from 'vitest'
import type { models } from '../../generated/write-behind.js'
import type { Cache } from '../../src/index.js'
import { Counters, quick } from '../counters.js'

const counters = new Counters()
const { connect, values } = counters

describe('a sweep', () => {
  test('flushes although every key of BullMQ was deleted', async () => {
    const cache = await connect({ counter: { ...quick, debounce: 500, maxWait: 500 } })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.queues[0]?.getDelayedCount()).toBe(1)
    for await (const keys of counters.connection.redis.scanStream({ match: `{${counters.connection.namespace}}:queues*` }))
      if (keys.length > 0) await counters.connection.redis.del(...keys)
    await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
  })

  test('takes failed jobs off the board when their shard is clean again', async () => {
    const cache = await connect({ counter: { ...quick, attempts: 2 } }, { sweepInterval: 300 })
    await cache.startWorker()
    counters.gate.fail(3, 'before')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.queues[0]?.getFailedCount()).toBe(1)
    await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
    await expect.poll(() => cache.queues[0]?.getFailedCount()).toBe(0)
  })

  test.each(['shard', 'record'] as const)(
    'keeps one on the board, a job a %s, until what is written all the time is flushed',
    async (jobs) => {
      const cache = await connect({ counter: { ...quick, jobs, attempts: 2 } })
      const [queue] = cache.queues as [Queue]
      await cache.startWorker()
      counters.gate.fail(Number.POSITIVE_INFINITY, 'before')
      const writing = setInterval(() => void cache.counter.increment({ name: 'a' }, { value: 1 }), 5)
      try {
        await expect.poll(() => queue.getFailedCount()).toBeGreaterThan(0)
        // For ten sweeps.
        for (const end = performance.now() + 1000; performance.now() < end; ) expect(await queue.getFailedCount()).toBeGreaterThan(0)
        counters.gate.fail(0, 'before')
        await expect.poll(() => queue.getFailedCount()).toBe(0)
        expect(await values()).toHaveLength(1)
      } finally {
        clearInterval(writing)
      }
    },
  )

  test('leaves a job alone to which an operator gave no data, and sweeps what is beside it', async () => {
    const cache = await connect({ counter: { ...quick, attempts: 2 } })
    const failures: string[] = []
    cache.events.on('failure', ({ step, error }) => failures.push(`${step}: ${error.message}`))
    await cache.startWorker()
    const [queue] = cache.queues
    await queue?.add('by hand', null, { attempts: 2 })
    await expect.poll(() => queue?.getFailedCount()).toBe(1)
    counters.gate.fail(3, 'before')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => queue?.getFailedCount()).toBe(2)
    await expect.poll(async () => (await queue?.getFailed())?.map(({ name }) => name)).toEqual(['by hand'])
    expect(failures.filter((failure) => !failure.startsWith('flush: Counter'))).toEqual([expect.stringMatching('^flush: expected { kind:')])
  })

  test('goes on where another worker has retried or removed a failed job meanwhile', async () => {
    const counter = { ...quick, attempts: 1, backoff: 60_000, maxBackoff: 60_000 }
    await counters.database.query('alter table "Counter" add constraint small check (value < 1000)')
    const caches = await Promise.all(Array.from({ length: 6 }, () => connect({ counter }, { sweepInterval: 10 })))
    const failures: string[] = []
    for (const cache of caches) cache.events.on('failure', ({ step, error }) => step === 'sweep' && failures.push(error.message))
    const [cache] = caches as [Cache<typeof models, { counter: typeof counter }>]
    await Promise.all(Array.from({ length: 20 }, (_, n) => cache.counter.set({ name: `n${n}` }, { value: 5000 })))
    await Promise.all(caches.map((each) => each.startWorker()))
    const [queue] = cache.queues as [Queue]
    await expect.poll(() => queue.getFailedCount()).toBeGreaterThan(10)
    // Six sweeps find at once that their pause is over.
    for (let round = 0; round < 20; round++) {
      for (const job of await queue.getFailed()) await counters.connection.redis.hset(queue.toKey(job.id as string), 'finishedOn', 1)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(failures).toEqual([])
  })
})
