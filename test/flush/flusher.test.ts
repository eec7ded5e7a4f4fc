import { randomBytes } from 'node:crypto'
import type { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Shapes } from '../../src/change/operation.js'
import { type Cache, createWriteBehind, type FlushedEvent, type Options, type Policies } from '../../src/index.js'
import { shardOf } from '../../src/model/key.js'
import { identityKey, shardCountsKey, shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const HOUR = 3_600_000
/** Flushed by explicit calls only. */
const still = { shards: 1, debounce: HOUR, maxWait: HOUR, backoff: 20, maxBackoff: 100 }
/** Flushed by a worker, soon. */
const quick = { shards: 1, debounce: 50, maxWait: 200, backoff: 20, maxBackoff: 100 }

/** Sweeps far enough apart for what a sweep does away with to be seen before. */
const seldom = { sweepInterval: 300 }

let database: TestDatabase
let gate: Gate
let connection: ReturnType<typeof createRedis>
const open: { close(options?: { deadline?: number }): Promise<unknown> }[] = []

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  await database.drop()
})

beforeEach(() => {
  gate = new Gate()
  connection = createRedis()
})

afterEach(async () => {
  gate.open()
  await Promise.all(open.splice(0).map((cache) => cache.close({ deadline: 2000 })))
  // In this order: what a cache that was not done by its deadline still does finds nothing, or a constraint, or is truncated.
  await connection.clean()
  await database.query('alter table "Counter" drop constraint if exists small')
  await database.query('truncate "Counter", page_views, players')
})

async function connect<const P extends Policies<typeof models>>(
  policies: P,
  options: Options & { gate?: Gate } = {},
): Promise<Cache<typeof models, P>> {
  const { gate: own = gate, ...rest } = options
  const cache = await createWriteBehind({
    prisma: own.client(database),
    redis: connection.redis,
    namespace: connection.namespace,
    models,
    policies,
    sweepInterval: 100,
    ...rest,
  })
  own.statements = 0
  open.push(cache as { close(): Promise<unknown> })
  return cache
}

function values(): Promise<{ name: string; value: string }[]> {
  return database.query<{ name: string; value: string }>('select name, value::text from "Counter" order by name')
}

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
    gate.close()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await gate.held()
    await cache.counter.increment({ name: 'b' }, { value: 2 })
    gate.open()
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

  test('retries an outage with the same batch until the database is back, and parks nothing', async () => {
    const cache = await connect({ counter: quick })
    await cache.startWorker()
    gate.fail(4, 'before')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
    expect(gate.failed).toBe(4)
    expect(await cache.parked()).toEqual([])
  })

  test('counts a batch once whose reply was lost after it was committed', async () => {
    const cache = await connect({ counter: quick })
    await cache.startWorker()
    gate.fail(3, 'after')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.status()).toMatchObject([{ dirty: 0 }])
    expect(gate.failed).toBeGreaterThan(0)
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })

  test('tries a statement again that gets no answer, and counts it once', async () => {
    const cache = await connect({ counter: quick }, { statementTimeout: 1000 })
    await cache.startWorker()
    gate.close('with fence')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await gate.held()
    await expect.poll(() => gate.statements).toBeGreaterThan(2)
    gate.open()
    await expect.poll(() => cache.status()).toMatchObject([{ dirty: 0 }])
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })

  test('flushes although every key of BullMQ was deleted', async () => {
    const cache = await connect({ counter: { ...quick, debounce: 500, maxWait: 500 } })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.queues[0]?.getDelayedCount()).toBe(1)
    for await (const keys of connection.redis.scanStream({ match: `{${connection.namespace}}:queues*` }))
      if (keys.length > 0) await connection.redis.del(...keys)
    await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
  })

  test('flushes although a deduplication mark has outlived its job', async () => {
    const cache = await connect({ counter: { ...quick, debounce: 500, maxWait: 500 } })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => cache.queues[0]?.getDelayedCount()).toBe(1)
    for await (const keys of connection.redis.scanStream({ match: `{${connection.namespace}}:queues*` })) {
      const marked = keys.filter((key: string) => !key.includes(':de:'))
      if (marked.length > 0) await connection.redis.del(...marked)
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

  test('takes failed jobs off the board when their shard is clean again', async () => {
    const cache = await connect({ counter: { ...quick, attempts: 2 } }, seldom)
    await cache.startWorker()
    gate.fail(3, 'before')
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
      gate.fail(Number.POSITIVE_INFINITY, 'before')
      const writing = setInterval(() => void cache.counter.increment({ name: 'a' }, { value: 1 }), 5)
      try {
        await expect.poll(() => queue.getFailedCount()).toBeGreaterThan(0)
        // For ten sweeps.
        for (const end = performance.now() + 1000; performance.now() < end; ) expect(await queue.getFailedCount()).toBeGreaterThan(0)
        gate.fail(0, 'before')
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
    gate.fail(3, 'before')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => queue?.getFailedCount()).toBe(2)
    await expect.poll(async () => (await queue?.getFailed())?.map(({ name }) => name)).toEqual(['by hand'])
    expect(failures.filter((failure) => !failure.startsWith('flush: Counter'))).toEqual([expect.stringMatching('^flush: expected { kind:')])
  })

  test('goes on where another worker has retried or removed a failed job meanwhile', async () => {
    const counter = { ...quick, attempts: 1, backoff: 60_000, maxBackoff: 60_000 }
    await database.query('alter table "Counter" add constraint small check (value < 1000)')
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
      for (const job of await queue.getFailed()) await connection.redis.hset(queue.toKey(job.id as string), 'finishedOn', 1)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(failures).toEqual([])
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
    gate.close()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await gate.held()
    await cache.counter.increment({ name: 'a' }, { value: 2 })
    gate.open()
    await expect.poll(values).toEqual([{ name: 'a', value: '3' }])
  })
})

test('a parked record that is written again is flushed when it is due, also where each record has its job', async () => {
  const cache = await connect({ counter: { ...quick, jobs: 'record', backoff: 60_000, maxBackoff: 60_000 } }, { sweepInterval: 60_000 })
  await database.query('alter table "Counter" add constraint small check (value < 1000)')
  await cache.startWorker()
  await cache.counter.set({ name: 'a' }, { value: 5000 })
  await expect.poll(() => cache.parked()).toHaveLength(1)
  // Others come first.
  await expect.poll(() => cache.queues[0]?.getDelayed()).toMatchObject([{ opts: { priority: 10 } }])
  await cache.counter.set({ name: 'a' }, { value: 1 })
  await expect.poll(values).toEqual([{ name: 'a', value: '1' }])
})

describe('a refused record', () => {
  beforeEach(async () => {
    await database.query('alter table "Counter" add constraint small check (value < 1000)')
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

  test('that is too long for its index is parked too, and holds nobody up', async () => {
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

  test('whose number leaves 64 bits while it is refused is read as what was written', async () => {
    const cache = await connect({ counter: still })
    const most = 2n ** 63n - 1n
    await cache.counter.set({ name: 'a' }, { value: most })
    gate.close()
    const flushing = cache.flush()
    await gate.held()
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    gate.open()
    await expect(flushing).rejects.toMatchObject({ code: 'PARKED' })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: most + 10n })
    expect(await cache.counter.pending({ name: 'a' })).toMatchObject({ state: 'parked', set: { value: most + 10n } })
  })

  test('is told by a barrier, whoever was told by the database', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 5000 })
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
    gate.close()
    const flushing = cache.flush()
    await gate.held()
    const other = await connect({ counter: still }, { gate: new Gate() })
    await expect(other.flush()).rejects.toMatchObject({ code: 'PARKED' })
    gate.open()
    await expect(flushing).rejects.toMatchObject({ code: 'PARKED', keys: ['a'] })
  })

  test('is written by its own job once the database takes it', async () => {
    const cache = await connect({ counter: quick })
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 5000 })
    await expect.poll(() => cache.parked()).toHaveLength(1)
    await expect.poll(async () => (await cache.queues[0]?.getDelayed())?.map(({ name }) => name)).toEqual(['retry parked Counter a'])
    await database.query('alter table "Counter" drop constraint small')
    await expect.poll(values).toEqual([{ name: 'a', value: '5000' }])
  })

  test('whose change names a field that the model has lost is parked, not dropped', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    const prefix = shardPrefix(connection.namespace, 'Counter', 0)
    const colour = { key: 'a', shape: new Shapes([]).intern('update', ['colour'], [], []), values: ['red'] }
    const limits = { debounce: HOUR, maxWait: HOUR, maxDirty: 10, maxBytes: 2 ** 22, nameClean: false }
    await new Store(connection.redis).write(prefix, 'earlier version', 1, 1, limits, [colour])
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: ['a'] })
    expect(await cache.parked()).toMatchObject([{ reason: 'Counter: the model has no field colour any more' }])
    await connection.redis.hdel(`${prefix}pend/a`, '=colour')
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })
})

describe('a worker that is paused before its statement', () => {
  test('changes nothing when it goes on after another has flushed the same batch, and newer ones', async () => {
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

  test('cannot apply a batch that was void meanwhile, because the database had refused it', async () => {
    const paused = new Gate()
    const cache = await connect({ counter: still })
    const other = await connect({ counter: still }, { gate: paused })
    await Promise.all(['a', 'b'].map((name) => cache.counter.increment({ name }, { value: 1 })))
    await database.query('alter table "Counter" add constraint small check (name <> \'a\')')
    paused.close()
    const late = other.flush().catch((error: { code: string }) => error.code)
    await paused.held()
    await cache.flush().catch(() => {})
    await database.query('alter table "Counter" drop constraint small')
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
  test('is noticed by the ledger: the shard goes on, and says so', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    await connection.empty()
    const adopted: unknown[] = []
    cache.events.on('adopted', (event) => adopted.push(event))
    await cache.counter.increment({ name: 'a' }, { value: 2 })
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: '3' }])
    expect(adopted).toMatchObject([{ model: 'Counter', shard: 0 }])
  })
})

describe('reads', () => {
  test('go on from the ledger when Redis was emptied', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    await connection.empty()
    const adopted: unknown[] = []
    cache.events.on('adopted', (event) => adopted.push(event))
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 1n })
    expect(adopted).toMatchObject([{ model: 'Counter', shard: 0, batch: undefined }])
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 2n })
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: '2' }])
  })

  test('that miss at the same time share one statement, and later ones need none', async () => {
    const cache = await connect({ counter: still })
    await database.query(`insert into "Counter" (name, value) values ('a', 7)`)
    const rows = await Promise.all(Array.from({ length: 50 }, () => cache.counter.findUnique({ where: { name: 'a' } })))
    expect(rows).toEqual(Array(50).fill({ name: 'a', value: 7n }))
    await cache.counter.findUnique({ where: { name: 'a' } })
    expect(gate.statements).toBe(1)
  })

  test('see a write that is claimed by a flush which has not ended', async () => {
    const cache = await connect({ counter: still })
    await database.query(`insert into "Counter" (name, value) values ('a', 7)`)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    gate.close('with fence')
    const flushed = cache.flush()
    await gate.held()
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 8n })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 9n })
    gate.open()
    await flushed
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 9n })
  })

  test('remember a missing row briefly, and see it when it is written', async () => {
    const cache = await connect({ counter: still })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toBeNull()
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toBeNull()
    expect(gate.statements).toBe(1)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 1n })
    await cache.counter.delete({ where: { name: 'a' } })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toBeNull()
  })
})

describe('close', () => {
  test('flushes what is dirty and says how much; further calls are refused', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect(cache.close({ deadline: Number.NaN })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'close.deadline: expected milliseconds, got NaN',
    })
    expect(await cache.close()).toEqual({ flushed: 1, dirty: 0, parked: 0 })
    await expect(cache.counter.increment({ name: 'a' }, { value: 1 })).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(cache.flush()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })

  test('leaves what it cannot flush within the deadline dirty, for the next one', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    gate.fail(1000, 'before')
    expect(await cache.close({ deadline: 1000 })).toEqual({ flushed: 0, dirty: 1, parked: 0 })
    const next = await connect({ counter: still }, { gate: new Gate() })
    await next.flush()
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })

  test('is the end: no worker starts after it, nor while it goes on', async () => {
    const cache = await connect({ counter: still })
    const closing = cache.close()
    await expect(cache.startWorker()).rejects.toMatchObject({ code: 'CLOSED' })
    await closing
    await expect(cache.startWorker()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('leaves no key behind but the identity, the ids and counts of the shards, and for a minute the sequence of the writer', async () => {
    const cache = await connect({ counter: still })
    await Promise.all(Array.from({ length: 50 }, (_, n) => cache.counter.increment({ name: `n${n}` }, { value: 1 })))
    await cache.close()
    const left: string[] = []
    for await (const keys of connection.redis.scanStream({ match: `{${connection.namespace}*` })) left.push(...keys)
    const prefix = shardPrefix(connection.namespace, 'Counter', 0)
    const [sequence = '', ...others] = left.filter((key) => !key.includes(':queues')).sort((a, b) => b.length - a.length)
    expect(sequence).toContain(`${prefix}writer/`)
    expect(await connection.redis.pttl(sequence)).toSatisfy((ttl) => ttl > 0 && ttl <= 60_000)
    expect(others.sort()).toEqual(
      [`${prefix}acked`, `${prefix}stats`, shardCountsKey(connection.namespace), identityKey(connection.namespace)].sort(),
    )
  })
})

test('the number of shards cannot change while records are dirty', async () => {
  const cache = await connect({ counter: { ...still, shards: 2 } })
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  await expect(connect({ counter: { ...still, shards: 3 } })).rejects.toMatchObject({ code: 'CONFIGURATION' })
  await cache.flush()
  await connect({ counter: { ...still, shards: 3 } })
})

test('a view that is left from before the number of shards changed is none when it changes back', async () => {
  const name = ['a', 'b', 'c', 'd', 'e', 'f'].find((key) => shardOf(key, 2) !== shardOf(key, 5)) as string
  const value = async (cache: Cache<typeof models, { counter: typeof still }>) =>
    (await cache.counter.findUnique({ where: { name } }))?.value
  const before = await connect({ counter: { ...still, shards: 2 } })
  await before.counter.set({ name }, { value: 1 })
  await before.flush()
  expect(await value(before)).toBe(1n)
  const between = await connect({ counter: { ...still, shards: 5 } })
  await between.counter.set({ name }, { value: 2 })
  await between.flush()
  expect(await value(await connect({ counter: { ...still, shards: 2 } }))).toBe(2n)
})

/** Stands before the real client: holds statements up, or loses them or their replies. */
class Gate {
  statements = 0
  failed = 0
  #closed: string | undefined
  #waiting: (() => void)[] = []
  #failures = 0
  #when: 'before' | 'after' = 'before'

  client({ prisma }: TestDatabase) {
    return {
      $queryRawUnsafe: async <T>(sql: string, ...parameters: unknown[]): Promise<T> => {
        this.statements++
        if (this.#closed !== undefined && sql.startsWith(this.#closed)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
        if (this.#when === 'before') this.#mayFail()
        const result = await prisma.$queryRawUnsafe<T>(sql, ...parameters)
        if (this.#when === 'after') this.#mayFail()
        return result
      },
    }
  }

  /** @param statements those that begin so */
  close(statements = ''): void {
    this.#closed = statements
  }

  async held(): Promise<void> {
    await expect.poll(() => this.#waiting.length).toBeGreaterThan(0)
  }

  open(): void {
    this.#closed = undefined
    for (const release of this.#waiting.splice(0)) release()
  }

  fail(times: number, when: 'before' | 'after'): void {
    this.#failures = times
    this.#when = when
  }

  #mayFail(): void {
    if (this.#failures === 0) return
    this.#failures--
    this.failed++
    throw new Error('Connection terminated unexpectedly')
  }
}
