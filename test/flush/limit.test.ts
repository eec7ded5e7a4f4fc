import { afterEach, expect, test, vi } from 'vitest'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { Counters, still } from '../counters.js'

const counters = new Counters()
const { claim } = Store.prototype

afterEach(() => void vi.restoreAllMocks())

test('a process makes two claims at a time, and one that fails makes way', async () => {
  let [underWay, most, claims] = [0, 0, 0]
  vi.spyOn(Store.prototype, 'claim').mockImplementation(async function (this: Store, ...args) {
    most = Math.max(most, ++underWay)
    try {
      return await claim.apply(this, args)
    } finally {
      underWay--
      claims++
    }
  })
  const { redis, namespace } = counters.connection
  const cache = await counters.connect({ counter: { ...still, shards: 8 } })
  await Promise.all(Array.from({ length: 80 }, (_, n) => cache.counter.increment({ name: `c${n}` }, { value: 1 })))
  const broken = [shardPrefix(namespace, 'Counter', 0), shardPrefix(namespace, 'Counter', 1)].map((prefix) => `${prefix}batch`)
  for (const key of broken) await redis.set(key, 'no hash')
  await expect(cache.flush()).rejects.toThrow('WRONGTYPE')
  expect({ most, underWay }).toEqual({ most: 2, underWay: 0 })
  expect(claims).toBeGreaterThanOrEqual(8)
  await redis.del(broken)
  await cache.flush()
  await cache.close()
  expect(await counters.database.query('select count(*)::int, sum(value)::int from "Counter"')).toEqual([{ count: 80, sum: 80 }])
})
