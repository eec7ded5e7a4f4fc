/** When a worker flushes, and how often. */
import type { Queue } from 'bullmq'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { FlushedEvent } from '../../src/index.js'
import { Store } from '../../src/redis/store.js'
import { Counters, HOUR, quick } from '../counters.js'

const counters = new Counters()
const { connect, values } = counters

describe('a worker', () => {
  test('writes a thousand increments of a record as one row, when the debounce is over', async () => {
    const cache = await connect({ counter: quick })
    const flushed: FlushedEvent[] = []
    cache.events.on('flushed', (event) => flushed.push(event))
    await cache.startWorker()
    await Promise.all(Array.from({ length: 1000 }, () => cache.counter.increment({ name: 'a' }, { value: 1 })))
    await expect.poll(values).toEqual([{ name: 'a', value: '1000' }])
    await expect.poll(() => flushed).toMatchObject([{ model: 'Counter', records: 1, rows: 1, writes: 1000 }])
    await expect.poll(() => cache.status()).toMatchObject([{ dirty: 0, parked: 0, overdue: 0 }])
  })

  test('flushes a record that is written without a pause at maxWait', async () => {
    const cache = await connect({ counter: { ...quick, debounce: 150, maxWait: 300 } })
    await cache.startWorker()
    let writes = 0
    const flushes: number[] = []
    cache.events.on('flushed', () => flushes.push(writes))
    while (flushes.length < 3) {
      await cache.counter.increment({ name: 'a' }, { value: 1 })
      writes++
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: String(writes) }])
  })

  test('asks Redis for another batch only when there may be one', async () => {
    const claim = vi.spyOn(Store.prototype, 'claim')
    onTestFinished(() => claim.mockRestore())
    const cache = await connect({ counter: { ...quick, debounce: 500, maxWait: 2000 } }, { sweepInterval: HOUR })
    await cache.startWorker()
    counters.gate.close()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await counters.gate.held()
    await cache.counter.increment({ name: 'b' }, { value: 2 })
    counters.gate.open()
    await expect.poll(values).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ])
    await expect.poll(async () => (await cache.status())[0]?.dirty).toBe(0)
    expect(claim).toHaveBeenCalledTimes(2)
  })

  test('finds what is due behind any number of records that later writes have put off', async () => {
    const soon = await connect({ counter: { ...quick, maxWait: HOUR } })
    const late = await connect({ counter: { ...quick, debounce: HOUR, maxWait: HOUR } })
    const names = Array.from({ length: 12 }, (_, n) => `n${n}`)
    for (const cache of [soon, late]) await Promise.all(names.map((name) => cache.counter.increment({ name }, { value: 1 })))
    await soon.counter.increment({ name: 'z' }, { value: 1 })
    await new Promise((resolve) => setTimeout(resolve, 2 * quick.debounce))
    const worker = await connect({ counter: { ...quick, batchSize: 1 } }, { sweepInterval: HOUR })
    await worker.startWorker()
    await expect.poll(values).toEqual([{ name: 'z', value: '1' }])
    const [queue] = worker.queues as [Queue]
    await expect.poll(() => queue.getJobCounts('completed', 'delayed')).toEqual({ completed: 1, delayed: 1 })
  })

  test('lets a shard rest where nothing was due, since records are written all the time', async () => {
    const cache = await connect({ counter: { ...quick, debounce: 200, maxWait: HOUR } }, { sweepInterval: HOUR })
    await cache.startWorker()
    let isOver = false
    const started = performance.now()
    const writing = Array.from({ length: 40 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, 5 * n))
      while (!isOver) {
        await cache.counter.increment({ name: `n${n}` }, { value: 1 })
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    const [queue] = cache.queues as [Queue]
    const logs = async () => {
      const jobs = await queue.getCompleted()
      return (await Promise.all(jobs.map((job) => queue.getJobLogs(job.id as string)))).flatMap((each) => each.logs)
    }
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await expect.poll(logs).toContainEqual(expect.stringMatching(/^nothing was due: later writes have put off \d+ records?$/))
    const completed = await queue.getCompletedCount()
    isOver = true
    await Promise.all(writing)
    expect(completed).toBeLessThanOrEqual((performance.now() - started) / 200 + 2)
  })

  test('lets a shard rest between flushes, so that batches of a steady traffic are not of a record each', async () => {
    const cache = await connect({ counter: quick })
    let batches = 0
    cache.events.on('flushed', () => batches++)
    await cache.startWorker()
    const started = performance.now()
    for (let n = 0; n < 200; n++) {
      await cache.counter.increment({ name: `n${n}` }, { value: 1 })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await expect.poll(async () => (await values()).length).toBe(200)
    expect(batches).toBeLessThanOrEqual((performance.now() - started) / quick.debounce + 2)
  })
})
