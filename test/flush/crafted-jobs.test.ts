/** What somebody who reaches the queues adds to them: it fails, or is replaced, and nobody waits for it. */
import type { Job, JobsOptions } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { NEVER, QueueStage, SHARD, YEARS } from './queue-stage.js'

const stage = new QueueStage()
const { start, names } = stage

describe('a job that is not ours', () => {
  const { shard: _, ...withoutShard } = SHARD
  const CRAFTED: unknown[] = [
    null,
    [],
    'shard',
    7,
    {},
    'x'.repeat(5_000_000),
    JSON.parse('{ "__proto__": { "kind": "shard", "model": "Counter", "shard": 0 } }'),
    withoutShard,
    { ...SHARD, shard: 1.5 },
    { ...SHARD, shard: -1 },
    { ...SHARD, shard: 1 },
    { ...SHARD, shard: '0' },
    { ...SHARD, model: 'PageView' },
    { ...SHARD, kind: 'everything' },
    { ...SHARD, and: 'more' },
    { ...SHARD, kind: 'parked' },
    { ...SHARD, kind: 'parked', key: ['a', 'b'] },
    { ...SHARD, kind: 'record', key: { a: 'b' } },
  ]

  test('fails once, each time that it is started, and holds up nobody', async () => {
    const { cache, queue, write, said } = await start()
    await cache.startWorker()
    // A parent that exists: BullMQ fails it with its children.
    const { id = '' } = await queue.add('parent', null, { delay: NEVER })
    const parent = { id, queue: queue.qualifiedName }
    const opts = { attempts: 50, backoff: 1, removeOnFail: false, parent, failParentOnFailure: true }
    await queue.addBulk(CRAFTED.map((data) => ({ name: 'crafted', data, opts })))
    await write('neighbour')
    await expect.poll(names).toEqual(['neighbour'])
    const refused = () => said('flush').filter((message) => message.startsWith('expected')).length
    await expect.poll(refused).toBeGreaterThanOrEqual(CRAFTED.length)

    await queue.retryJobs()
    await expect.poll(refused).toBeGreaterThanOrEqual(2 * CRAFTED.length)
    await expect.poll(() => queue.getFailedCount()).toBe(CRAFTED.length + 1)
    for (const { name, attemptsMade, failedReason } of await queue.getFailed()) {
      if (name === 'parent') continue
      expect(attemptsMade).toBeLessThanOrEqual(2)
      expect(failedReason).toMatch(/^expected \{ kind: .* got something else$/)
      expect(failedReason.length).toBeLessThan(200)
    }
    await write('after')
    await expect.poll(names).toEqual(['after', 'neighbour'])
    expect(said('sweep')).toEqual([])
  })

  test('that repeats itself every millisecond loses its scheduler', async () => {
    const { cache, queue, write, said } = await start()
    await cache.startWorker()
    await queue.upsertJobScheduler('often', { every: 1 }, { name: 'crafted', data: SHARD })
    await expect.poll(() => queue.getJobSchedulersCount()).toBe(0)
    await write('neighbour')
    await expect.poll(names).toEqual(['neighbour'])
    await expect.poll(() => queue.getJobCountByTypes('waiting', 'active', 'delayed')).toBe(0)
    expect(said('flush')[0]).toContain('its scheduler is removed')
    expect(said('flush').length).toBeLessThan(10)
  })

  test('that cannot be read fails once, and the jobs behind it run', async () => {
    const { cache, queue, write } = await start()
    const { id = '' } = await queue.add('crafted', SHARD, { attempts: 50 })
    await stage.connection.redis.hset(queue.toKey(id), 'data', '{ "kind": ')
    await queue.add('behind', SHARD)
    await write('neighbour')
    await cache.startWorker()
    await expect.poll(names).toEqual(['neighbour'])
    await expect.poll(() => queue.getJobState(id)).toBe('failed')
    await expect.poll(() => queue.getCompletedCount()).toBeGreaterThan(0)
  })

  test('that has our data with other options runs once, and fails at most once', async () => {
    const { cache, queue, write } = await start({ sweepInterval: NEVER })
    await write('a')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    await queue.drain(true)
    await cache.startWorker()
    await queue.add('crafted', SHARD, { attempts: 1000, priority: 2 ** 21 - 1 })
    await expect.poll(names).toEqual(['a'])

    await stage.database.query('alter table "Counter" rename to "Elsewhere"')
    const { id = '' } = await queue.add('crafted', SHARD, { attempts: 1000, delay: 500 })
    await cache.counter.increment({ name: 'b' }, { value: 1 })
    await expect.poll(() => queue.getJobState(id)).toBe('failed')
    expect(await queue.getJob(id)).toMatchObject({ attemptsMade: 1 })
    await stage.database.query('alter table "Elsewhere" rename to "Counter"')
  })
})

describe('a job that holds a shard is replaced', () => {
  const MARK = { deduplication: { id: 'shard/0' } }
  const HOLDERS: Record<string, JobsOptions & { data?: unknown }> = {
    'because it waits for years': { ...MARK, delay: YEARS },
    'because it waits for years, without data': { ...MARK, delay: YEARS, data: null },
    'because it has more data than ours': { ...MARK, delay: YEARS, data: { ...SHARD, key: 'x'.repeat(1_000_000) } },
    'because its back-off is years': { ...MARK, delay: YEARS, attempts: 10, backoff: { type: 'fixed', delay: YEARS } },
    'because its mark lives for years': { deduplication: { id: 'shard/0', ttl: YEARS } },
    'because it names another shard': { ...MARK, delay: YEARS, data: { ...SHARD, shard: 1 } },
    'because its id is a name that the queue uses': { ...MARK, delay: YEARS, jobId: 'crafted' },
  }

  test.each(Object.entries(HOLDERS))('%s', async (_, { data = SHARD, ...options }) => {
    const { cache, queue, write, said } = await start({}, { maxBackoff: NEVER })
    await queue.add('crafted', data, options)
    await write('held')
    await cache.startWorker()
    await expect.poll(names).toEqual(['held'])
    expect(said('sweep')).toEqual([])
  })

  test('because it waits for children that never come', async () => {
    const { cache, queue, write } = await start()
    await write('held')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    const [{ id = '' }] = (await queue.getDelayed()) as [Job]
    await stage.connection.redis.zrem(queue.toKey('delayed'), id)
    await stage.connection.redis.zadd(queue.toKey('waiting-children'), 1, id)
    await cache.startWorker()
    await expect.poll(names).toEqual(['held'])
  })

  test.each([
    ['or promoted, because it is ours, and waits for years', 0],
    ['or promoted, because it has failed, and waits for years by a back-off that is not ours', 1],
  ])('%s', async (_, attemptsMade) => {
    // With a shorter maxBackoff, the sweep would flush the shard without the job.
    const { cache, queue, write } = await start({}, { maxBackoff: NEVER })
    await write('held')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    const [job] = await queue.getDelayed()
    await stage.connection.redis.hset(queue.toKey(job?.id as string), 'atm', attemptsMade)
    await job?.changeDelay(YEARS)
    await cache.startWorker()
    await expect.poll(names).toEqual(['held'])
  })

  test('even if it stands for a parked record', async () => {
    const { cache, queue, write } = await start({ sweepInterval: NEVER })
    await stage.database.query('alter table "Counter" add constraint none check (false)')
    await write('parked')
    await expect(cache.flush()).rejects.toThrow('parked')
    await stage.database.query('alter table "Counter" drop constraint none')
    await queue.add('crafted', { ...SHARD, kind: 'parked', key: ['a', 'b'] }, { delay: YEARS, deduplication: { id: 'parked/0/parked' } })
    const { cache: second } = await start()
    await second.startWorker()
    await expect.poll(names).toEqual(['parked'])
  })
})
