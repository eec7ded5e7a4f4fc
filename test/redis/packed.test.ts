/** A pending change is packed, or a hash: what it says must not depend on that. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import type { Operation } from '../../src/change/operation.js'
import { TestShard } from '../shard.js'

const where = { path: '/' }
const compiler = new Compiler(models.pageView)
const at = (day: number) => new Date(Date.UTC(2026, 0, day))

const increments = (views: number | bigint) => compiler.increment(where, { views })
const updates = (data: object) => compiler.update({ where, data }) as Operation
const upserts = (create: object, update: object) => compiler.upsert({ where, create: { ...where, ...create }, update })

/** Each makes a new operation: a call may change the ones that it is given. */
const OPERATIONS: readonly [string, () => Operation][] = [
  ['increment', () => increments(2)],
  ['two increments', () => compiler.increment(where, { views: 1n, bytes: 2n ** 52n })],
  ['increments of a row that is there', () => updates({ views: { increment: 3 } })],
  ['sets', () => updates({ lastStatus: 404, lastSeen: at(1) })],
  ['sets and increments', () => updates({ lastStatus: 200, views: { increment: 1 } })],
  ['upsert', () => upserts({ views: 1, lastSeen: at(2) }, { views: { increment: 1 }, lastSeen: at(2) })],
  ['upsert from another start', () => upserts({ views: 100, lastStatus: null }, { views: { increment: 1 }, bytes: { increment: -1 } })],
  ['upsert that sets something else', () => upserts({ lastStatus: 1 }, { lastStatus: 2 })],
  ['upsert that changes nothing', () => upserts({ views: 7 }, {})],
  ['sets a counter', () => updates({ views: 5, lastStatus: null })],
  ['create', () => compiler.create({ data: { ...where, views: 9 } })],
  ['delete', () => compiler.delete({ where })],
  ['bound', () => compiler.max(where, { views: 10 })],
]

const FIELDS = ['views', 'bytes', 'lastStatus', 'lastSeen', 'updatedAt']
const ROW = ['41', '7', '\0', at(0).toISOString(), at(0).toISOString()]

/** What a record begins with. */
const VIEWS: readonly [string, () => Promise<void>][] = [
  ['no view', async () => {}],
  ['the view of a row', () => loadRow(ROW)],
  ['the view of a missing row', () => loadRow(undefined)],
]

let shard: TestShard

beforeEach(() => {
  shard = new TestShard('PageView')
})

afterEach(() => shard.connection.clean())

async function form(): Promise<'packed' | 'hash' | 'both' | 'none'> {
  const isPacked = (await shard.connection.redis.hexists(`${shard.prefix}packed`, '/')) === 1
  const isHash = (await shard.connection.redis.exists(`${shard.prefix}pend//`)) === 1
  return isPacked ? (isHash ? 'both' : 'packed') : isHash ? 'hash' : 'none'
}

/** By field, but for the time. */
async function pending(): Promise<Record<string, string>> {
  const { pending: flat } = await shard.store.pending(shard.prefix, '/')
  const fields = Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, n) => flat.slice(2 * n, 2 * n + 2)))
  return { ...fields, '~': fields['~']?.slice(0, 3) }
}

async function makeHash(): Promise<void> {
  const { pending: flat } = await shard.store.pending(shard.prefix, '/')
  await shard.connection.redis.hdel(`${shard.prefix}packed`, '/')
  await shard.connection.redis.del(`${shard.prefix}pend//`)
  await shard.connection.redis.hset(`${shard.prefix}pend//`, ...flat)
}

/** The view apart from its flag: what it says of the row, and whether it expires. */
async function view(): Promise<unknown> {
  const key = `${shard.prefix}view//`
  return [await shard.connection.redis.hgetall(key), await shard.connection.redis.ttl(key)]
}

describe.each(VIEWS)('%s:', (_, begin) => {
  describe.each(OPERATIONS)('%s', (_, first) => {
    // Operations of this model set when the row was updated.
    beforeAll(() => void vi.useFakeTimers({ toFake: ['Date'] }))
    afterAll(() => void vi.useRealTimers())

    test.each(OPERATIONS)('twice, then %s twice', async (_, second) => {
      const operations = () =>
        [first, first, second, second].map((make, n) => {
          vi.setSystemTime(n)
          return make()
        })
      const outcome = async () => [await pending(), await view()]
      await begin()
      for (const operation of operations()) {
        await shard.write(operation)
        await makeHash()
      }
      const expected = await outcome()
      await shard.connection.empty()
      await begin()
      for (const operation of operations()) await shard.write(operation)
      expect(await outcome()).toEqual(expected)
      await shard.connection.empty()
      await begin()
      await shard.write(...operations())
      expect(await outcome()).toEqual(expected)
    })
  })
})

test('a change stays packed as long as operations of its first shape follow', async () => {
  const sets = (status: number) => updates({ lastStatus: status, views: { increment: 1 } })
  await shard.write(sets(1))
  await shard.write(sets(2), sets(3))
  expect(await form()).toBe('packed')
  expect(await pending()).toMatchObject({ '=lastStatus': '3', '+views': '3' })
  await shard.write(increments(1))
  expect(await form()).toBe('hash')
})

test.each([
  [10n ** 15n - 1n, 1n],
  [10n ** 15n, 1n],
  [-(10n ** 15n), -1n],
  [2n ** 53n, 1n],
  [2n ** 63n - 2n, 1n],
])('%i and %i are added exactly', async (a, b) => {
  await shard.write(increments(a))
  await shard.write(increments(b))
  expect(await pending()).toMatchObject({ '+views': String(a + b) })
})

test('a sum outside 64 bits is refused, and leaves the change as it was', async () => {
  await shard.write(increments(2n ** 63n - 2n))
  const { refused } = await shard.write(increments(1), increments(1), increments(-5))
  expect([...refused]).toEqual([[1, 'overflow']])
  expect(await pending()).toMatchObject({ '+views': String(2n ** 63n - 6n) })
})

test('what was added before the sum that is refused is taken back, whatever it was', async () => {
  const both = (views: bigint, bytes: bigint) => compiler.increment(where, { views, bytes })
  await shard.write(both(1n, 2n ** 63n - 1n))
  const before = await pending()
  const { refused } = await shard.write(both(-(2n ** 63n), 1n))
  expect([...refused]).toEqual([[0, 'overflow']])
  expect(await pending()).toEqual(before)
})

test('long values make it a hash, of which a counter is changed alone', async () => {
  const document = new Compiler(models.document)
  const id = '/'
  const saves = (body: string) => document.update({ where: { id }, data: { body, rank: { increment: 1 } } }) as Operation
  await shard.write(saves('short'))
  await shard.write(saves('t'.repeat(2000)))
  expect(await form()).toBe('hash')
  expect(await pending()).toMatchObject({ '+rank': '2', '=body': JSON.stringify('t'.repeat(2000)) })
  await shard.connection.empty()
  await shard.write(saves('t'.repeat(2000)), saves('short'))
  expect(await form()).toBe('hash')
  expect(await pending()).toMatchObject({ '+rank': '2', '=body': '"short"' })
})

function loadRow(values: string[] | undefined): Promise<void> {
  const fields = FIELDS.map((name) => ({ name, start: name === 'views' || name === 'bytes' ? '0' : '\0' }))
  return shard.load('/', fields, values)
}

function load(key: string, views: string): Promise<void> {
  return shard.load(key, [{ name: 'views', start: '0' }], [views])
}

const count = (path: string) => compiler.increment({ path }, { views: 1 })
const viewsOf = (path: string) => shard.store.read(shard.prefix, 'lease', 1000, ['views'], [path])

test('records of one call that are packed, hashes, clean and viewed each keep their own', async () => {
  await shard.write(count('packed'), count('hash'))
  await shard.write(compiler.max({ path: 'hash' }, { views: 50 }))
  await load('viewed', '41')
  const { clean } = await shard.write(...['packed', 'viewed', 'hash', 'clean', 'packed', 'clean', 'viewed'].map(count))
  expect(clean).toEqual([1, 3])
  const amounts = await Promise.all(
    ['packed', 'viewed', 'hash', 'clean'].map(async (key) => {
      const { pending: flat } = await shard.store.pending(shard.prefix, key)
      return flat[flat.indexOf('+views') + 1]
    }),
  )
  expect(amounts).toEqual(['3', '2', '2', '2'])
  expect(await viewsOf('viewed')).toEqual([['43']])
})

test('the change of a record with a view is packed too, and the view follows it', async () => {
  await load('/', '41')
  await shard.write(increments(1))
  await shard.write(increments(2), increments(4))
  expect(await form()).toBe('packed')
  expect(await pending()).toMatchObject({ '~': 'ivx', '+views': '7' })
  expect(await viewsOf('/')).toEqual([['48']])
})

test('more than 32 records of a shard are kept as tables, however they came', async () => {
  const counter = new Compiler(models.counter)
  const names = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => String(from + n))
  const write = (from: number, to: number) => shard.write(...names(from, to).map((name) => counter.increment({ name }, { value: 1 })))
  const { redis } = shard.connection
  const [changes, index] = [`${shard.prefix}packed`, `${shard.prefix}dirty`]
  const kept = async () => ({
    as: [await redis.object('ENCODING', changes), await redis.object('ENCODING', index)],
    changes: (await redis.hkeys(changes)).sort(),
    index: (await redis.zrange(index, '0', '-1')).sort(),
  })
  const expected = (size: number, ...as: string[]) => ({ as, changes: names(0, size).sort(), index: names(0, size).sort() })
  await write(0, 20)
  await write(0, 32)
  expect(await kept()).toEqual(expected(32, 'listpack', 'listpack'))
  await write(31, 33)
  expect(await kept()).toEqual(expected(33, 'hashtable', 'skiplist'))
  await write(0, 40)
  expect(await kept()).toEqual(expected(40, 'hashtable', 'skiplist'))
  await shard.connection.empty()
  await write(0, 33)
  expect(await kept()).toEqual(expected(33, 'hashtable', 'skiplist'))
})

test('a view of a clean record follows a write that comes with others', async () => {
  await load('viewed', '41')
  await shard.write(count('clean'), count('viewed'))
  expect(await viewsOf('viewed')).toEqual([['42']])
})

test('a view that cannot hold a sum is dropped, and the packed change goes on without', async () => {
  await load('/', String(2n ** 63n - 2n))
  await shard.write(increments(1))
  expect(await pending()).toMatchObject({ '~': 'ivx', '+views': '1' })
  await shard.write(increments(1))
  expect(await form()).toBe('packed')
  expect(await pending()).toMatchObject({ '~': 'i-x', '+views': '2' })
  expect(await viewsOf('/')).toEqual([{ lease: 'lease.' }])
})

test('a view that is made meanwhile is known to a packed change, and forgotten when it is dropped', async () => {
  await shard.write(increments(1))
  await load('/', '1')
  expect(await pending()).toMatchObject({ '~': 'ivx' })
  await shard.write(increments(1))
  expect(await form()).toBe('packed')
  expect(await viewsOf('/')).toEqual([['3']])
  await shard.store.invalidate(shard.prefix, ['/'])
  expect(await pending()).toMatchObject({ '~': 'i-x' })
  await shard.write(increments(1))
  expect(await form()).toBe('packed')
  expect(await pending()).toMatchObject({ '+views': '3' })
})

test('a refused change is composed with a newer one into one', async () => {
  await shard.write(increments(1))
  await shard.park('/', async () => {
    expect(await form()).toBe('none')
    await shard.write(increments(2))
    expect(await form()).toBe('packed')
  })
  expect(await form()).toBe('hash')
  expect(await pending()).toMatchObject({ '+views': '3' })
  await shard.write(increments(4))
  expect(await pending()).toMatchObject({ '+views': '7' })
})
