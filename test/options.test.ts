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

const prisma = { $queryRawUnsafe() {} }

test.each([
  ['nothing', undefined, /^createWriteBehind: expected \{ prisma, redis, models, policies \}, got undefined$/],
  ['no client', {}, /^prisma: expected a Prisma client, got undefined$/],
  ['another client', { prisma: {} }, /^prisma: expected a Prisma client, got /],
  ['no models', { prisma }, /^models: expected the models of the generated file, got undefined$/],
  ['no policies', { prisma, models }, /^policies: expected an object with a policy for each model to cache, got undefined$/],
  ['a policy that is a number', { prisma, models, policies: { counter: 5 } }, /^policies\.counter: expected an object, got 5$/],
  ['no connection', { prisma, models, policies: { counter: {} } }, /^redis: expected a connection of ioredis, got undefined$/],
])('a setup with %s is refused', async (_, setup, message) => {
  await expect(createWriteBehind(setup as never)).rejects.toMatchObject({ code: 'CONFIGURATION', message: expect.stringMatching(message) })
})
