/** What somebody who reaches the queues adds to them or does to them: it is said, and it holds no data. */
import type { Job, JobsOptions, Queue } from 'bullmq'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type FlushJob, isAsMade, readJobData } from '../../src/flush/job.js'
import { createWriteBehind, type FailureEvent, type Options, type Policy } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const YEARS = 3e11
const NEVER = 3_600_000
const quick = { shards: 1, debounce: 20, maxWait: 50, attempts: 2, backoff: 20, maxBackoff: 200 } satisfies Policy
const SHARD = { kind: 'shard', model: 'Counter', shard: 0 }

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
let ending: (() => Promise<unknown>)[]

beforeEach(async () => {
  database = await createDatabase()
  connection = createRedis()
  ending = [connection.clean, database.drop]
})
afterEach(async () => {
  for (const step of ending) await step()
})

async function start(options: Options = {}, counter: Policy = quick) {
  const { redis, namespace } = connection
  const policies = { counter: { ...quick, ...counter } }
  const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies, namespace, sweepInterval: 50, ...options })
  ending.unshift(() => cache.close({ deadline: 0 }))
  const failures: FailureEvent[] = []
  cache.events.on('failure', (failure) => failures.push(failure))
  const [queue] = cache.queues as [Queue]
  const write = (name: string) => cache.counter.increment({ name }, { value: 1 })
  const said = (step: FailureEvent['step']) => failures.filter((failure) => failure.step === step).map(({ error }) => error.message)
  return { cache, queue, write, said }
}

const names = async () => (await database.query<{ name: string }>('select name from "Counter" order by name')).map(({ name }) => name)

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
    // A parent that is there: BullMQ fails it with its children.
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

  test('that comes again every millisecond comes no more', async () => {
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

  test('that nobody can read fails once, and those behind it are run', async () => {
    const { cache, queue, write } = await start()
    const { id = '' } = await queue.add('crafted', SHARD, { attempts: 50 })
    await connection.redis.hset(queue.toKey(id), 'data', '{ "kind": ')
    await queue.add('behind', SHARD)
    await write('neighbour')
    await cache.startWorker()
    await expect.poll(names).toEqual(['neighbour'])
    await expect.poll(() => queue.getJobState(id)).toBe('failed')
    await expect.poll(() => queue.getCompletedCount()).toBeGreaterThan(0)
  })

  test('says as much as ours, but has other options: it is run once, and fails at most once', async () => {
    const { cache, queue, write } = await start({ sweepInterval: NEVER })
    await write('a')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    await queue.drain(true)
    await cache.startWorker()
    await queue.add('crafted', SHARD, { attempts: 1000, priority: 2 ** 21 - 1 })
    await expect.poll(names).toEqual(['a'])

    await database.query('alter table "Counter" rename to "Elsewhere"')
    const { id = '' } = await queue.add('crafted', SHARD, { attempts: 1000, delay: 500 })
    await cache.counter.increment({ name: 'b' }, { value: 1 })
    await expect.poll(() => queue.getJobState(id)).toBe('failed')
    expect(await queue.getJob(id)).toMatchObject({ attemptsMade: 1 })
    await database.query('alter table "Elsewhere" rename to "Counter"')
  })
})

test.each(['shard', 'record'] as const)('each job of ours is as we make it, a job a %s', async (jobs) => {
  const { cache, queue, write } = await start({}, { jobs, debounce: 1, maxWait: 2 })
  await database.query(`alter table "Counter" add constraint plausible check (name <> 'refused')`)
  await cache.startWorker()
  for (let n = 0; n < 100; n++) await write(`n${n % 5}`)
  await write('refused')
  await expect.poll(() => queue.getFailedCount()).toBeGreaterThan(0)
  await expect.poll(names).toHaveLength(5)
  const done = (await queue.getJobs(['completed', 'failed', 'delayed', 'wait', 'prioritized'])) as FlushJob[]
  expect(done.length).toBeGreaterThan(3)
  for (const job of done) {
    const data = readJobData(job.data, 'Counter', quick.shards)
    expect([job.name, data !== undefined && isAsMade(data, job)]).toEqual([job.name, true])
  }
})

describe('a job that holds a shard is replaced', () => {
  const MARK = { deduplication: { id: 'shard/0' } }
  const HOLDERS: Record<string, JobsOptions & { data?: unknown }> = {
    'as it waits for years': { ...MARK, delay: YEARS },
    'as it waits for years, and says nothing': { ...MARK, delay: YEARS, data: null },
    'as it says too much': { ...MARK, delay: YEARS, data: { ...SHARD, key: 'x'.repeat(1_000_000) } },
    'as its back-off is years': { ...MARK, delay: YEARS, attempts: 10, backoff: { type: 'fixed', delay: YEARS } },
    'as its mark lives for years': { deduplication: { id: 'shard/0', ttl: YEARS } },
    'as it is of another shard': { ...MARK, delay: YEARS, data: { ...SHARD, shard: 1 } },
    'as its id is a name of the queue': { ...MARK, delay: YEARS, jobId: 'crafted' },
  }

  test.each(Object.entries(HOLDERS))('%s', async (_, { data = SHARD, ...options }) => {
    const { cache, queue, write, said } = await start({}, { maxBackoff: NEVER })
    await queue.add('crafted', data, options)
    await write('held')
    await cache.startWorker()
    await expect.poll(names).toEqual(['held'])
    expect(said('sweep')).toEqual([])
  })

  test('as it waits for children that never come', async () => {
    const { cache, queue, write } = await start()
    await write('held')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    const [{ id = '' }] = (await queue.getDelayed()) as [Job]
    await connection.redis.zrem(queue.toKey('delayed'), id)
    await connection.redis.zadd(queue.toKey('waiting-children'), 1, id)
    await cache.startWorker()
    await expect.poll(names).toEqual(['held'])
  })

  test('as ours has failed, and waits for years by a back-off that is not ours', async () => {
    const { cache, queue, write } = await start()
    await write('held')
    await expect.poll(() => queue.getDelayedCount()).toBe(1)
    const [job] = await queue.getDelayed()
    await connection.redis.hset(queue.toKey(job?.id as string), 'atm', 1)
    await job?.changeDelay(YEARS)
    await cache.startWorker()
    await expect.poll(names).toEqual(['held'])
  })

  test('that of a parked record, too', async () => {
    const { cache, queue, write } = await start({ sweepInterval: NEVER })
    await database.query('alter table "Counter" add constraint none check (false)')
    await write('parked')
    await expect(cache.flush()).rejects.toThrow('parked')
    await database.query('alter table "Counter" drop constraint none')
    await queue.add('crafted', { ...SHARD, kind: 'parked', key: ['a', 'b'] }, { delay: YEARS, deduplication: { id: 'parked/0/parked' } })
    const { cache: second } = await start()
    await second.startWorker()
    await expect.poll(names).toEqual(['parked'])
  })
})

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

    await connection.redis.del(queue.toKey('limiter'))
    await expect.poll(() => cache.status()).toMatchObject([{ queue: 'running' }])
    await queue.setGlobalConcurrency(0)
    await connection.redis.hset(queue.toKey('meta'), 'concurrency', 0)
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
    await connection.redis.set(queue.toKey('prioritized'), 'text')
    await new Promise((resolve) => setTimeout(resolve, 500))
    await connection.redis.del(queue.toKey('prioritized'))
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
    await connection.redis.del(queue.toKey('meta'))
    await connection.redis.set(queue.toKey('meta'), 'text')
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
      await database.query('alter table "Counter" add constraint none check (false)')
      await write('parked')
      await expect(cache.flush()).rejects.toThrow('parked')
      await database.query('alter table "Counter" drop constraint none')
      await connection.redis.del(queue.toKey(name), queue.toKey('de:parked/0/parked'))
      await connection.redis.set(queue.toKey(name), 'text')
      await write('a')
      const second = await start()
      await second.cache.startWorker()
      await expect.poll(names).toEqual(['a', 'parked'])
      expect(await cache.status()).toMatchObject([{ queue: name.startsWith('de:') ? 'running' : 'broken' }])
      expect(said('flush')).toEqual([])
    },
  )
})
