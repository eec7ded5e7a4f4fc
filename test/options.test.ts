import { expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { createWriteBehind } from '../src/index.js'
import { Counters } from './counters.js'

const counters = new Counters()

test.each([
  [{ policies: { counter: { debounce: -1 } } }, /^policies\.counter\.debounce: expected a whole number from 0 to 1000000000000, got -1$/],
  [{ policies: { counter: { debounce: Number.MAX_SAFE_INTEGER } } }, /^policies\.counter\.debounce: expected .* to 1000000000000, got 9/],
  [{ policies: { counter: { shards: 0 } } }, /^policies\.counter\.shards: expected a whole number from 1 /],
  [{ policies: {}, sweepInterval: 2 ** 31 }, /^options\.sweepInterval: expected a whole number from 1 to 1000000000, got 2147483648$/],
])('Redis is not asked for anything with the options %j', async (options, message) => {
  const { redis } = counters.connection
  const refused = createWriteBehind({ prisma: counters.database.prisma, redis, models, ...options })
  await expect(refused).rejects.toMatchObject({ code: 'CONFIGURATION', message: expect.stringMatching(message) })
})
