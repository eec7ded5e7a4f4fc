import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { models } from '../generated/write-behind.js'
import { BacklogFullError, type Cache, createWriteBehind, type EventMap, ParkedError, type Policies } from '../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const { redis, namespace, empty, clean } = createRedis()
const open: Cache<typeof models, object>[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  await database.query('alter table "Counter" add constraint small check (value < 1000)')
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
  await empty()
  await database.query('truncate "Counter", write_behind_ledger')
})

afterAll(async () => {
  await clean()
  await database.drop()
})

async function connect<const P extends Policies<typeof models>>(policies: P): Promise<Cache<typeof models, P>> {
  const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
  open.push(cache)
  return cache
}

function collect<N extends keyof EventMap>(cache: Cache<typeof models, object>, name: N): EventMap[N][0][] {
  const events: EventMap[N][0][] = []
  cache.events.on(name, ((event: EventMap[N][0]) => void events.push(event)) as never)
  return events
}

describe('the events', () => {
  test('say for each call to Redis how many writes it carried, and to how many records', async () => {
    const cache = await connect({ counter: still })
    const written = collect(cache, 'written')
    const increments = Array.from({ length: 10 }, () => cache.counter.increment({ name: 'a' }, { value: 1 }))
    await Promise.all([...increments, cache.counter.delete({ where: { name: 'a' } }), cache.counter.delete({ where: { name: 'b' } })])
    expect(written).toEqual([{ model: 'Counter', shard: 0, records: 2, writes: 12 }])
  })

  test('tell of writes that the backlog turned away, and not that they were written', async () => {
    const cache = await connect({ counter: { ...still, maxDirty: 1 } })
    const [written, backlog] = [collect(cache, 'written'), collect(cache, 'backlog')]
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    const refused = [1, 2, 3].map((value) => cache.counter.increment({ name: 'b' }, { value }))
    for (const each of refused) await expect(each).rejects.toThrow(BacklogFullError)
    expect(written).toEqual([{ model: 'Counter', shard: 0, records: 1, writes: 1 }])
    expect(backlog).toEqual([{ model: 'Counter', shard: 0, writes: 3, limit: 1 }])
  })

  test('tell of a record that is parked, and of its return', async () => {
    const cache = await connect({ counter: still })
    const [parked, unparked] = [collect(cache, 'parked'), collect(cache, 'unparked')]
    await cache.counter.increment({ name: 'a' }, { value: 1000 })
    await expect(cache.flush()).rejects.toThrow(ParkedError)
    expect(parked[0]).toMatchObject({ model: 'Counter', shard: 0, key: 'a', attempts: 1, reason: expect.stringContaining('23514') })
    await cache.counter.increment({ name: 'a' }, { value: -1 })
    await cache.flush()
    expect(unparked).toEqual([{ model: 'Counter', shard: 0, key: 'a' }])
  })
})

describe('a listener that throws', () => {
  test('breaks neither the write nor the flush that it was told of, and is reported', async () => {
    const cache = await connect({ counter: still })
    const failures = collect(cache, 'failure')
    for (const name of ['written', 'flushed'] as const)
      cache.events.on(name, () => {
        throw new Error(`no ${name}`)
      })
    cache.events.on('flushed', (async () => Promise.reject(new Error('no promise'))) as () => void)
    const flushed = collect(cache, 'flushed')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(flushed).toMatchObject([{ records: 1, rows: 1 }])
    expect(await cache.status()).toMatchObject([{ dirty: 0, rows: 1 }])
    expect(failures.map(({ step, error }) => `${step}: ${error.message}`)).toEqual([
      'listener: a listener of written failed: Error; its message is left out, since it may hold values',
      'listener: a listener of flushed failed: Error; its message is left out, since it may hold values',
      'listener: a listener of flushed failed: Error; its message is left out, since it may hold values',
    ])
  })

  test('becomes a warning where nobody listens to failures, or where it is the listener of failures', async () => {
    const cache = await connect({ counter: still })
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const fail = () => {
      throw new Error('oh')
    }
    try {
      cache.events.once('written', fail)
      await cache.counter.increment({ name: 'a' }, { value: 1 })
      cache.events.on('failure', fail)
      cache.events.once('written', fail)
      await cache.counter.increment({ name: 'a' }, { value: 1 })
      expect(warn.mock.calls.map(([message]) => message)).toEqual([
        'a listener of written failed: Error; its message is left out, since it may hold values',
        'a listener of failure failed: Error; its message is left out, since it may hold values',
      ])
    } finally {
      warn.mockRestore()
    }
  })
})
