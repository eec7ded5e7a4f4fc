import { expect, test } from 'vitest'
import type { models } from '../../generated/write-behind.js'
import type { Cache } from '../../src/index.js'
import { shardOf } from '../../src/model/key.js'
import { Counters, still } from '../counters.js'

const counters = new Counters()
const { connect } = counters

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
