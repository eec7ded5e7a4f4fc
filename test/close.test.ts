/** What a close flushes, how long it takes, and what it leaves behind. What it drains of other processes: start/drain.test.ts. */
import { describe, expect, test } from 'vitest'
import { identityKey, shardCountsKey, shardPrefix } from '../src/redis/keys.js'
import { Counters, still } from './counters.js'
import { Gate } from './gate.js'

const counters = new Counters()
const { connect, values } = counters

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
    counters.gate.fail(1000, 'before')
    expect(await cache.close({ deadline: 1000 })).toEqual({ flushed: 0, dirty: 1, parked: 0 })
    const next = await connect({ counter: still }, { gate: new Gate() })
    await next.flush()
    expect(await values()).toEqual([{ name: 'a', value: '1' }])
  })

  test('ends every call of the cache', async () => {
    const cache = await connect({ counter: still })
    await cache.close()
    const where = { name: 'a' }
    const { counter } = cache
    const calls = [
      () => counter.set(where, { value: 1 }),
      () => counter.findUnique({ where }),
      () => counter.findMany({ keys: [where] }),
      () => counter.invalidate(where),
      () => counter.isPersisted(where),
      () => counter.pending(where),
      () => cache.drain(),
      () => cache.status(),
      () => cache.parked(),
    ]
    const outcomes = await Promise.all(calls.map((call) => new Promise((resolve) => resolve(call())).catch(({ code }) => code)))
    expect(outcomes).toEqual(calls.map(() => 'CLOSED'))
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
    for await (const keys of counters.connection.redis.scanStream({ match: `{${counters.connection.namespace}*` })) left.push(...keys)
    const prefix = shardPrefix(counters.connection.namespace, 'Counter', 0)
    const [sequence = '', ...others] = left.filter((key) => !key.includes(':queues')).sort((a, b) => b.length - a.length)
    expect(sequence).toContain(`${prefix}writer/`)
    expect(await counters.connection.redis.pttl(sequence)).toSatisfy((ttl) => ttl > 0 && ttl <= 60_000)
    expect(others.sort()).toEqual(
      [
        `${prefix}acked`,
        `${prefix}stats`,
        shardCountsKey(counters.connection.namespace),
        identityKey(counters.connection.namespace),
      ].sort(),
    )
  })
})
