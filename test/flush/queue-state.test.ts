/** What somebody who reaches a queue does to it: the status and an event say so, and nothing is lost. */
import { describe, expect, test } from 'vitest'
import { NEVER, QueueStage, SHARD } from './queue-stage.js'

const stage = new QueueStage()
const { start, names } = stage

describe('a queue', () => {
  test('that is limited is said to be, and flushed all the same', async () => {
    const { cache, queue, write, said } = await start()
    expect(await cache.status()).toMatchObject([{ queue: 'running' }])
    await queue.setGlobalRateLimit(1, NEVER)
    await queue.add('crafted', SHARD)
    await cache.startWorker()
    await expect.poll(() => queue.getCompletedCount()).toBe(1)
    await write('a')
    await expect.poll(names).toEqual(['a'])
    expect(await cache.status()).toMatchObject([{ queue: 'limited' }])
    await queue.removeGlobalRateLimit()
    await expect.poll(() => cache.status()).toMatchObject([{ queue: 'limited' }])
    expect(said('queue')).toEqual(['Counter: its queue has a limit of its rate or its concurrency: flushes may be late'])

    await stage.connection.redis.del(queue.toKey('limiter'))
    await expect.poll(() => cache.status()).toMatchObject([{ queue: 'running' }])
    await queue.setGlobalConcurrency(0)
    await stage.connection.redis.hset(queue.toKey('meta'), 'concurrency', 0)
    await write('b')
    await expect.poll(names).toEqual(['a', 'b'])
    expect(await cache.status()).toMatchObject([{ queue: 'limited' }])
  })

  test('that is paused is said to be, and left to whoever paused it', async () => {
    const { cache, queue, write, said } = await start()
    await queue.pause()
    await cache.startWorker()
    await write('a')
    await expect.poll(async () => (await cache.status())[0]?.overdue).toBeGreaterThan(1500)
    expect(await cache.status()).toMatchObject([{ queue: 'paused', dirty: 1 }])
    // Whatever else is wrong with it.
    await stage.connection.redis.set(queue.toKey('prioritized'), 'text')
    await new Promise((resolve) => setTimeout(resolve, 500))
    await stage.connection.redis.del(queue.toKey('prioritized'))
    expect(await names()).toEqual([])
    expect(said('queue')).toEqual(['Counter: its queue is paused: only cache.flush() flushes it until it is resumed'])
    await cache.flush()
    expect(await names()).toEqual(['a'])
    await write('b')
    await queue.resume()
    await expect.poll(names).toEqual(['a', 'b'])
  })

  test.each(['drain', 'obliterate', 'clean', 'promote', 'retry'])('holds nothing after a %s', async (action) => {
    const { cache, queue, write } = await start()
    await cache.startWorker()
    await write('a')
    if (action === 'drain') await queue.drain(true)
    if (action === 'obliterate') await queue.obliterate({ force: true })
    if (action === 'clean') for (const state of ['delayed', 'wait', 'failed'] as const) await queue.clean(0, 1000, state)
    if (action === 'promote') await queue.promoteJobs()
    if (action === 'retry') await queue.retryJobs()
    // An obliterated queue is a paused one for a moment.
    await queue.resume()
    await write('b')
    await expect.poll(names).toEqual(['a', 'b'])
  })

  test('in which two thousand jobs are before ours is flushed', async () => {
    const { cache, queue, write } = await start({ concurrency: 1 })
    await queue.addBulk(Array.from({ length: 2000 }, () => ({ name: 'crafted', data: { no: 'job' }, opts: { attempts: 100, lifo: true } })))
    await write('a')
    await cache.startWorker()
    await expect.poll(names).toEqual(['a'])
  })

  test('that breaks behind a job that waits is flushed, and asked once a second', async () => {
    const { cache, queue, write } = await start({}, { maxBackoff: NEVER })
    await write('a')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    await queue.promoteJobs()
    await stage.connection.redis.del(queue.toKey('meta'))
    await stage.connection.redis.set(queue.toKey('meta'), 'text')
    const times: number[] = []
    cache.events.on('failure', ({ error }) => error.message.includes('WRONGTYPE') && times.push(performance.now()))
    await cache.startWorker()
    await expect.poll(names).toEqual(['a'])
    // At once BullMQ would ask thousands of times a second.
    await expect.poll(() => times.length).toBeGreaterThan(4)
    expect((times[4] as number) - (times[0] as number)).toBeGreaterThan(1000)
  })

  const NAMES = ['wait', 'active', 'delayed', 'prioritized', 'failed', 'completed', 'events', 'marker', 'meta', 'id', 'stalled', 'paused']

  test.each(NAMES)('with a job whose id is %s is said to be broken, where it is, and flushed all the same', async (jobId) => {
    const { cache, queue, write, said } = await start()
    await queue.add('crafted', SHARD, { jobId }).catch(() => {})
    await write('a')
    await cache.startWorker()
    await expect.poll(names).toEqual(['a'])
    const [status] = await cache.status()
    if (status?.queue === 'broken')
      await expect.poll(() => said('queue').join()).toContain(`as ${queue.toKey(jobId)}, got a hash. Delete that key`)
  })

  test.each(['wait', 'meta', 'delayed', 'id', 'de:shard/0'])(
    'that has a text as its %s is flushed, and so are its parked records',
    async (name) => {
      const { cache, queue, write, said } = await start({ sweepInterval: NEVER })
      await stage.database.query('alter table "Counter" add constraint none check (false)')
      await write('parked')
      await expect(cache.flush()).rejects.toThrow('parked')
      await stage.database.query('alter table "Counter" drop constraint none')
      await stage.connection.redis.del(queue.toKey(name), queue.toKey('de:parked/0/parked'))
      await stage.connection.redis.set(queue.toKey(name), 'text')
      await write('a')
      const second = await start()
      await second.cache.startWorker()
      await expect.poll(names).toEqual(['a', 'parked'])
      expect(await cache.status()).toMatchObject([{ queue: name.startsWith('de:') ? 'running' : 'broken' }])
      expect(said('flush')).toEqual([])
    },
  )
})
