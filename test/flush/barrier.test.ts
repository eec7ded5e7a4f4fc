/** What an application asks before a report: rows that have everything, is it in the database, bring it there. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, InvalidInputError, ParkedError } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

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

describe('findMany', () => {
  test('gives rows in the order of the keys, all acknowledged writes included, null where one is missing', async () => {
    await database.prisma.reading.create({ data: { device: 'd', metric: 'stored', value: 1, at: new Date(0) } })
    const where = (metric: string) => ({ device_metric: { device: 'd', metric } })
    await cache.reading.update({ where: where('stored'), data: { samples: { increment: 2 } } })
    await cache.reading.upsert({ where: where('new'), create: { value: 2, at: new Date(0) }, update: {} })
    const keys = ['new', 'missing', 'stored', 'new'].map(where)
    expect(await cache.reading.findMany({ keys, select: { metric: true, value: true, samples: true } })).toEqual([
      { metric: 'new', value: 2, samples: 0 },
      null,
      { metric: 'stored', value: 1, samples: 2 },
      { metric: 'new', value: 2, samples: 0 },
    ])
    expect(await cache.reading.findMany({ keys: [] })).toEqual([])
  })

  test('of thousands of keys loads them in groups', async () => {
    const names = Array.from({ length: 3000 }, (_, n) => `many ${n}`)
    await database.prisma.counter.createMany({ data: names.map((name, n) => ({ name, value: n })) })
    const rows = await cache.counter.findMany({ keys: names.map((name) => ({ name })) })
    expect(rows).toEqual(names.map((name, n) => ({ name, value: BigInt(n) })))
  })
})

describe('a barrier', () => {
  test('takes any timeout, also one longer than timers run', async () => {
    for (const timeout of [2 ** 31, Number.POSITIVE_INFINITY]) {
      await cache.counter.increment({ name: 'barrier' }, { value: 1 })
      expect(await cache.flush({ timeout })).toEqual({ records: 1 })
    }
  })

  test('of one model leaves the others in Redis', async () => {
    await cache.counter.increment({ name: 'barrier' }, { value: 1 })
    await cache.pageView.increment({ path: '/barrier' }, { views: 1 })
    expect(await cache.flush({ model: 'counter' })).toEqual({ records: 1 })
    expect(await cache.counter.isPersisted({ name: 'barrier' })).toBe(true)
    expect(await cache.pageView.isPersisted({ path: '/barrier' })).toBe(false)
  })

  test('of one record leaves its neighbours in Redis', async () => {
    await cache.player.upsert({ where: { id: id(1) }, create: { name: 'one' }, update: {} })
    await cache.player.upsert({ where: { id: id(2) }, create: { name: 'two' }, update: {} })
    expect(await cache.flush({ model: 'player', key: { id: id(1) } })).toEqual({ records: 1 })
    expect(await cache.flush({ model: 'player', key: { id: id(1) } })).toEqual({ records: 0 })
    expect(await database.prisma.player.findMany({ select: { id: true } })).toEqual([{ id: id(1) }])
    expect(await cache.player.isPersisted({ id: id(2) })).toBe(false)
  })

  test('of one record brings what was written since it was claimed, too', async () => {
    await cache.player.upsert({ where: { id: id(3) }, create: { name: 'first' }, update: {} })
    await new Store(redis).claim(shardPrefix(namespace, 'Player', 0), randomUUID(), { records: 10, bytes: 1000 }, { key: id(3) })
    await cache.player.update({ where: { id: id(3) }, data: { name: 'second' } })
    await cache.flush({ model: 'player', key: { id: id(3) } })
    expect(await database.prisma.player.findUnique({ where: { id: id(3) } })).toMatchObject({ name: 'second' })
    expect(await cache.player.isPersisted({ id: id(3) })).toBe(true)
  })

  test('of a record that the database refuses says so, and a correction passes it', async () => {
    await database.query(`alter table players add constraint positive check (score >= 0)`)
    const where = { id: id(4) }
    await cache.player.upsert({ where, create: { name: 'low', score: -1 }, update: {} })
    const refused = cache.flush({ model: 'player', key: where })
    await expect(refused).rejects.toBeInstanceOf(ParkedError)
    await expect(refused).rejects.toMatchObject({ model: 'Player', keys: [id(4)] })
    expect(await cache.player.isPersisted(where)).toBe(false)
    expect(await cache.player.pending(where)).toMatchObject({
      state: 'parked',
      reason: expect.stringContaining('(23514, constraint positive)'),
      attempts: 1,
      kind: 'upsert',
    })
    await cache.player.update({ where, data: { score: 1 } })
    await cache.flush({ model: 'player', key: where })
    expect(await cache.player.isPersisted(where)).toBe(true)
    expect(await cache.player.pending(where)).toBeNull()
  })
})

describe('pending', () => {
  const where = { device_metric: { device: 'p', metric: 'q' } }
  const prefix = (count = 2) => Array.from({ length: count }, (_, shard) => shardPrefix(namespace, 'Reading', shard))

  test('tells what is set and what is added, since when, and what a missing row would get', async () => {
    expect(await cache.reading.pending(where)).toBeNull()
    const before = Date.now()
    await cache.reading.update({ where, data: { value: 2.5, samples: { increment: 2 } } })
    await cache.reading.update({ where, data: { samples: { decrement: 5 } } })
    const update = await cache.reading.pending(where)
    expect(update).toMatchObject({
      state: 'pending',
      since: expect.any(Date),
      kind: 'update',
      set: { value: 2.5 },
      increment: { samples: -3n },
    })
    expect(Math.abs((update?.since.getTime() ?? 0) - before)).toBeLessThan(1000 + Date.now() - before)
    await cache.reading.upsert({ where, create: { value: 1, at: new Date(0) }, update: { samples: { increment: 1 } } })
    expect(await cache.reading.pending(where)).toMatchObject({
      kind: 'upsert',
      insert: { value: 1, samples: 0, at: new Date(0) },
      set: { value: 2.5 },
      increment: { samples: -2n },
    })
  })

  test('tells of deletion, and of a row that replaces the deleted one', async () => {
    await cache.reading.delete({ where })
    expect(await cache.reading.pending(where)).toMatchObject({ kind: 'delete', set: {}, increment: {} })
    await cache.reading.upsert({ where, create: { value: 1, at: new Date(0) }, update: {} })
    expect(await cache.reading.pending(where)).toMatchObject({ kind: 'replace', insert: { value: 1, samples: 0, at: new Date(0) } })
  })

  test('keeps apart what is claimed and what was written since', async () => {
    await cache.reading.update({ where, data: { value: 1 } })
    for (const each of prefix())
      await new Store(redis).claim(each, randomUUID(), { records: 10, bytes: 1000 }, { before: Date.now() + 1000 })
    expect(await cache.reading.pending(where)).toMatchObject({ state: 'claimed', set: { value: 1 } })
    await cache.reading.update({ where, data: { value: 2 } })
    const both = await cache.reading.pending(where)
    expect(both).toMatchObject({ state: 'claimed', set: { value: 1 }, next: { state: 'pending', set: { value: 2 } } })
    await cache.flush()
    expect(await cache.reading.pending(where)).toBeNull()
  })
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

function id(n: number): string {
  return `00000000-0000-4000-8000-00000000000${n}`
}
