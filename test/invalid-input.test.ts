/** What reads, barriers and a close refuse at the call. Writes: write/invalid-input.test.ts. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { type Cache, createWriteBehind, InvalidInputError } from '../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const still = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { counter: still, pageView: still, reading: still, player: { ...still, shards: 1 }, document: still } as const
const { redis, namespace, empty, clean } = createRedis()
let database: TestDatabase
let cache: Cache<typeof models, typeof policies>

beforeAll(async () => {
  database = await createDatabase()
})

beforeEach(async () => {
  cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
})

afterEach(async () => {
  await cache.close()
  await empty()
})

afterAll(async () => {
  await clean()
  await database.drop()
})

describe('bad input', () => {
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'keys that are no list',
      () => cache.counter.findMany({ keys: { name: 'a' } as never }),
      /^Counter: expected keys to be a list of keys, got an Object$/,
    ],
    ['no keys', () => cache.counter.findMany({} as never), /^Counter: expected keys to be a list of keys, got undefined$/],
    ['no arguments', () => cache.counter.findMany(undefined as never), /^Counter: expected \{ keys, select \}, got undefined$/],
    ['a where for many', () => cache.counter.findMany({ where: {} } as never), /^Counter: expected only keys and select, got where$/],
    [
      'a key of many that is malformed',
      () => cache.counter.findMany({ keys: [{ name: 'a' }, { name: 1 as never }] }),
      /^Counter\.name: expected a string, got 1$/,
    ],
    ['a key that is none', () => cache.counter.findMany({ keys: ['a' as never] }), /^Counter: expected where to be an object, got "a"$/],
    [
      'a relation in select',
      () => cache.counter.findMany({ keys: [], select: { owner: true } as never }),
      /^Counter\.owner: expected a scalar field in select/,
    ],
    [
      'a select that is no boolean',
      () => cache.counter.findUnique({ where: { name: 'a' }, select: { name: true, value: 1 as never } }),
      /^Counter\.value: expected a boolean in select, got 1$/,
    ],
    [
      'half a key',
      () => cache.reading.isPersisted({ device_metric: { device: 'd' } } as never),
      /^Reading\.metric: expected a string, got undefined$/,
    ],
    ['a key that is no UUID', () => cache.player.pending({ id: 'x' }), /^Player\.id: expected a UUID, got "x"$/],
    [
      'an unknown model',
      () => cache.flush({ model: 'nope' } as never),
      /^flush\.model: expected one of counter, pageView, reading, player, document, got "nope"$/,
    ],
    [
      'a model by its name in the schema',
      () => cache.flush({ model: 'Counter' } as never),
      /^flush\.model: expected one of .*, got "Counter"$/,
    ],
    [
      'a key without a model',
      () => cache.flush({ key: { name: 'a' } } as never),
      /^flush\.model: expected a model beside the key, got none$/,
    ],
    [
      'a malformed key',
      () => cache.flush({ model: 'counter', key: { nam: 'a' } as never }),
      /^Counter\.nam: expected only the key \(name\) in where, got "a"$/,
    ],
    ['a timeout that is none', () => cache.flush({ timeout: Number.NaN }), /^flush\.timeout: expected milliseconds, got NaN$/],
    ['an unknown option', () => cache.flush({ deadline: 1 } as never), /^flush: expected only model, key and timeout, got deadline$/],
    ['an unknown option of close', () => cache.close({ deadlin: 5 } as never), /^close: expected only drain and deadline, got deadlin$/],
    ['what is no options of close', () => cache.close(null as never), /^close: expected \{ drain, deadline \}, got null$/],
    ['an option that is no object', () => cache.flush('counter' as never), /^flush: expected \{ model, key, timeout \}, got "counter"$/],
  ]

  test.each(cases)('%s: is refused, and says why', async (_, call, message) => {
    const error = await call().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(message) })
  })
})
