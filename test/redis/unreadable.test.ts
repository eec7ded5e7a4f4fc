/** Changes in Redis that no script can read: they stop nobody, are parked as they are, and are said to be there. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import { type Cache, createWriteBehind } from '../../src/index.js'
import { createDatabase, type TestDatabase } from '../fixture.js'
import { TestShard } from '../shard.js'

const quiet = { debounce: 600_000, maxWait: 600_000, shards: 1 }
const compiler = new Compiler(models.counter)
const NOW = '1700000000000'
const HEAD = Buffer.from(`${NOW}${NOW}i-x`)

const DAMAGES: readonly (readonly [string, (change: Buffer) => Buffer])[] = [
  ['is some text', () => Buffer.from('garbage')],
  ['is empty but for its times', () => Buffer.from(NOW + NOW)],
  ['is truncated', (change) => change.subarray(0, -1)],
  ['is longer than it says', (change) => Buffer.concat([change, Buffer.from([0x61])])],
  ['claims 2^32 fields', () => Buffer.concat([HEAD, Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])])],
  ['claims a text of 2^32 bytes', () => Buffer.concat([HEAD, Buffer.from([0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61])])],
  ['has a number for a name', () => Buffer.concat([HEAD, Buffer.from([0x91, 0x05, 0xa1, 0x31])])],
  ['has a state that is none', (change) => Buffer.concat([change.subarray(0, 26), Buffer.from('z'), change.subarray(27)])],
  ['lies in the far future', () => Buffer.from(`9999999999999${'x'.repeat(30)}`)],
]

let database: TestDatabase
let shard: TestShard
let cache: Cache<typeof models, { counter: typeof quiet }>

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  shard = new TestShard('Counter')
  const { redis, namespace } = shard.connection
  cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { counter: quiet } })
})

afterEach(async () => {
  await cache.close({ deadline: 100 })
  await shard.connection.clean()
  await database.query('delete from "Counter"')
})

test.each(DAMAGES)('a change that %s is parked as it is, and its neighbours go on', async (_, damage) => {
  await increment('bad', 'a', 'b')
  const raw = await spoil('bad', damage)
  const pending = cache.counter.pending({ name: 'bad' })
  await expect(pending).rejects.toMatchObject({ code: 'REFUSED', key: 'bad', message: 'Counter: the change in Redis cannot be read' })
  expect(await cache.counter.isPersisted({ name: 'bad' })).toBe(false)
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: ['bad'] })
  expect(await rows()).toEqual({ a: 1n, b: 1n })
  expect(await cache.parked()).toMatchObject([{ key: 'bad', reason: 'Counter: the change in Redis cannot be read' }])
  expect(await shard.connection.redis.hgetBuffer(`${shard.prefix}unreadable`, 'bad')).toEqual(raw)
  await saysSo()
  await expect(cache.flush({ model: 'counter', key: { name: 'bad' } })).rejects.toMatchObject({ code: 'PARKED' })
  expect(await shard.connection.redis.hgetBuffer(`${shard.prefix}unreadable`, 'bad')).toEqual(raw)
})

test.each(DAMAGES)('a write upon a change that %s destroys nothing, and stops none of its call', async (_, damage) => {
  await increment('bad')
  const raw = await spoil('bad', damage)
  const outcomes = await Promise.allSettled(['a', 'bad', 'b'].map((name) => cache.counter.increment({ name }, { value: 1 })))
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(outcomes[1]).toMatchObject({ reason: { code: 'REFUSED', key: 'bad' } })
  await expect(cache.counter.delete({ where: { name: 'bad' } })).rejects.toMatchObject({ code: 'REFUSED' })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
  // Parked it lies apart: what is written from now on is flushed.
  await cache.counter.set({ name: 'bad' }, { value: 7 })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: ['bad'] })
  expect(await rows()).toEqual({ a: 1n, b: 1n, bad: 7n })
  expect(await shard.connection.redis.hgetBuffer(`${shard.prefix}unreadable`, 'bad')).toEqual(raw)
  await saysSo()
})

test('a change that lies in a key of another type, or lacks its state, is parked as well', async () => {
  const { redis } = shard.connection
  await increment('a', 'string', 'stateless')
  for (const name of ['string', 'stateless']) await redis.hdel(`${shard.prefix}packed`, name)
  await redis.set(`${shard.prefix}pend/string`, 'something')
  await redis.hset(`${shard.prefix}pend/stateless`, '+value', '5')
  await expect(cache.counter.pending({ name: 'string' })).rejects.toMatchObject({ code: 'REFUSED' })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: expect.arrayContaining(['string', 'stateless']) })
  expect(await rows()).toEqual({ a: 1n })
  const kept = await redis.hgetallBuffer(`${shard.prefix}unreadable`)
  expect([String(kept.string), String(kept.stateless)]).toEqual([expect.stringContaining('something'), expect.stringContaining('+value')])
})

test('a second change of a record that cannot be read is kept beside the first', async () => {
  for (const text of ['first', 'second']) {
    await increment('bad')
    await spoil('bad', () => Buffer.from(text))
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
  }
  const kept = await shard.connection.redis.hgetall(`${shard.prefix}unreadable`)
  expect(Object.values(kept).sort()).toEqual(['first', 'second'])
})

test('a change that can be read after all arrives, and its record is parked no more', async () => {
  await increment('bad')
  const packed = `${shard.prefix}packed`
  const change = (await shard.connection.redis.hgetBuffer(packed, 'bad')) as Buffer
  await spoil('bad', () => Buffer.from('garbage'))
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
  await shard.connection.redis.hset(`${shard.prefix}unreadable`, 'bad', change)
  await cache.flush()
  expect(await rows()).toEqual({ bad: 1n })
  expect([await cache.parked(), await cache.counter.isPersisted({ name: 'bad' })]).toEqual([[], true])
})

async function increment(...names: string[]): Promise<void> {
  await shard.write(...names.map((name) => compiler.increment({ name }, { value: 1 })))
}

/** @returns what is there now */
async function spoil(name: string, damage: (change: Buffer) => Buffer): Promise<Buffer> {
  const { redis } = shard.connection
  const raw = damage((await redis.hgetBuffer(`${shard.prefix}packed`, name)) as Buffer)
  await redis.hset(`${shard.prefix}packed`, name, raw)
  return raw
}

async function saysSo(): Promise<void> {
  expect(await cache.counter.isPersisted({ name: 'bad' })).toBe(false)
  await expect(cache.counter.pending({ name: 'bad' })).rejects.toMatchObject({ code: 'REFUSED' })
  expect(await cache.status()).toMatchObject([{ dirty: 1, parked: 1 }])
}

async function rows(): Promise<Record<string, bigint>> {
  const found = await database.prisma.counter.findMany()
  return Object.fromEntries(found.map(({ name, value }) => [name, value]))
}
