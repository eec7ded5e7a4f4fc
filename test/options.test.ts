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
])('the options %j are refused before Redis is asked for anything', async (options, message) => {
  const { redis } = counters.connection
  const refused = createWriteBehind({ prisma: counters.database.prisma, redis, models, ...options })
  await expect(refused).rejects.toMatchObject({ code: 'CONFIGURATION', message: expect.stringMatching(message) })
})

test.each([
  [undefined, /^createWriteBehind: expected \{ prisma, redis, models, policies \}, got undefined$/],
  [{}, /^prisma: expected a Prisma client, got undefined$/],
  [{ prisma: {} }, /^prisma: expected a Prisma client, got /],
  [{ prisma: { $queryRawUnsafe() {} } }, /^models: expected the models of the generated file, got undefined$/],
  [{ prisma: { $queryRawUnsafe() {} }, models }, /^policies: expected an object with a policy for each model to cache, got undefined$/],
  [{ prisma: { $queryRawUnsafe() {} }, models, policies: { counter: 5 } }, /^policies\.counter: expected an object, got 5$/],
  [{ prisma: { $queryRawUnsafe() {} }, models, policies: { counter: {} } }, /^redis: expected a connection of ioredis, got undefined$/],
])('a setup that lacks a part is refused: %j', async (setup, message) => {
  await expect(createWriteBehind(setup as never)).rejects.toMatchObject({ code: 'CONFIGURATION', message: expect.stringMatching(message) })
})
