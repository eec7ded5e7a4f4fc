/** What set, increment, decrement, max and min refuse at the call. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, InvalidInputError } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const policies = { counter: still, pageView: still, reading: still, player: still, document: still } as const
const { redis, namespace, empty, clean } = createRedis()
const early = new Date('2026-01-01T00:00:00.000Z')
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
  const player = { id: '00000000-0000-4000-9000-0000000000aa' }
  const reading = { device_metric: { device: 'd', metric: 'm' } }
  const document = (data: object) => cache.document.update({ where: { id: 'a' }, data: data as never })
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'max of a string',
      () => document({ title: { max: 'z' } }),
      /^Document\.title: expected a field of type Int, BigInt, Float, Decimal or DateTime for max and min, got a string$/,
    ],
    [
      'min of a boolean',
      () => document({ flag: { min: true } }),
      /^Document\.flag: expected a field of type .* for max and min, got a boolean$/,
    ],
    [
      'max of an enum',
      () => document({ state: { max: 'DRAFT' } }),
      /^Document\.state: expected a field of type .* for max and min, got one of DRAFT, PUBLISHED, ARCHIVED$/,
    ],
    [
      'max of a list',
      () => document({ tags: { max: ['a'] } }),
      /^Document\.tags: expected a field of type .* for max and min, got a string\[\]$/,
    ],
    [
      'max of Json',
      () => cache.document.max({ id: 'a' }, { body: 1 } as never),
      /^Document\.body: expected a field of type .* for max and min, got a JSON value$/,
    ],
    [
      'max of null',
      () => cache.pageView.max({ path: '/' }, { lastSeen: null as never }),
      /^PageView\.lastSeen: expected a Date or an ISO 8601 date-time .*, got null$/,
    ],
    [
      'max of NaN',
      () => cache.reading.max(reading, { value: Number.NaN, at: early }),
      /^Reading\.value: expected a finite number, got NaN$/,
    ],
    [
      'min of infinity',
      () => cache.reading.min(reading, { value: Number.POSITIVE_INFINITY, at: early }),
      /^Reading\.value: expected a finite number, got Infinity$/,
    ],
    [
      'max of a wrong type',
      () => cache.counter.max({ name: 'a' }, { value: '1' as never }),
      /^Counter\.value: expected a bigint of 64 bits, or a safe integer, got "1"$/,
    ],
    [
      'max beyond the column',
      () => cache.player.update({ where: player, data: { score: { max: 2 ** 31 } } }),
      /^Player\.score: expected an integer of 32 bits, got 2147483648$/,
    ],
    ['max of nothing', () => cache.counter.max({ name: 'a' }, {}), /^Counter: expected at least one field to max, got none$/],
    [
      'max of undefined',
      () => cache.counter.max({ name: 'a' }, { value: undefined }),
      /^Counter: expected at least one field to max, got none$/,
    ],
    [
      'max without fields',
      () => cache.counter.max({ name: 'a' }, 5 as never),
      /^Counter: expected the fields to max to be an object, got 5$/,
    ],
    [
      'min of a key field',
      () => cache.counter.min({ name: 'a' }, { name: 'b' } as never),
      /^Counter\.name: expected one of the fields value, got a key field$/,
    ],
    [
      'min of an unknown field',
      () => cache.counter.min({ name: 'a' }, { valeu: 1 } as never),
      /^Counter\.valeu: expected one of the fields value, got an unknown field$/,
    ],
    [
      'max that could not insert the row',
      () => cache.player.max(player, { score: 1 } as never),
      /^Player\.name: expected a default, as max inserts the row when it is missing \(use update or upsert\), got none$/,
    ],
    [
      'two changes of one field',
      () => cache.counter.update({ where: { name: 'a' }, data: { value: { max: 1, min: 2 } as never } }),
      /got \{ max, min \}$/,
    ],
    [
      'an upsert whose new row is beyond its own bound',
      () => cache.player.upsert({ where: player, create: { name: 'n' }, update: { score: { max: 10 } } }),
      /^Player\.score: expected in create at least what update sets as its bound \(10\), got 0$/,
    ],
    [
      'an upsert whose new row is null where it is bounded',
      () => cache.pageView.upsert({ where: { path: '/' }, create: {}, update: { lastStatus: { min: 10 } } }),
      /^PageView\.lastStatus: expected in create at most what update sets as its bound \(10\), got null$/,
    ],
    ['set of nothing', () => cache.counter.set({ name: 'a' }, {}), /^Counter: expected at least one field to set, got none$/],
    [
      'set of an operation',
      () => cache.counter.set({ name: 'a' }, { value: { increment: 1 } as never }),
      /^Counter\.value: expected a bigint of 64 bits, or a safe integer, got an Object$/,
    ],
    [
      'set of a key field',
      () => cache.counter.set({ name: 'a' }, { name: 'b' } as never),
      /^Counter\.name: expected one of the fields value, got a key field$/,
    ],
    [
      'set that could not insert the row',
      () => cache.player.set(player, { score: 1 } as never),
      /^Player\.name: expected a default, as set inserts the row/,
    ],
    [
      'set of null where none is allowed',
      () => cache.counter.set({ name: 'a' }, { value: null as never }),
      /^Counter\.value: expected a bigint of 64 bits, or a safe integer, got null$/,
    ],
    [
      'decrement of a string',
      () => cache.counter.decrement({ name: 'a' }, { value: '1' as never }),
      /^Counter\.value: expected a bigint of 64 bits, or a safe integer, got "1"$/,
    ],
    [
      'decrement by nothing',
      () => cache.counter.decrement({ name: 'a' }, {}),
      /^Counter: expected at least one field to decrement, got none$/,
    ],
    [
      'decrement of a date',
      () => cache.pageView.decrement({ path: '/' }, { lastSeen: 1 } as never),
      /^PageView\.lastSeen: expected a field of type Int or BigInt to increment, got a date-time$/,
    ],
    [
      'increment of a decimal',
      () => document({ price: { increment: 1 } }),
      /^Document\.price: expected a field of type Int or BigInt to increment \(count in whole units, as cents are, or set the value\), got a decimal$/,
    ],
  ]

  test.each(cases)('%s: is refused, says why, and stores nothing', async (_, call, message) => {
    const error = await call().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(InvalidInputError)
    expect((error as Error).message).toMatch(message)
    expect((await cache.status()).every(({ dirty, writes }) => dirty + writes === 0)).toBe(true)
  })
})
