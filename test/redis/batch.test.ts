/** What a flusher can do with parts of what is dirty: claim named records, set some of a batch apart, park them all, count its claims. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import type { Batch, ClaimTarget } from '../../src/redis/replies.js'
import { unpackRecords } from '../../src/redis/unpack.js'
import { TestShard } from '../shard.js'

const compiler = new Compiler(models.counter)
const TTL = { view: 60_000, missing: 60_000 }
const LIMITS = { records: 100, bytes: 100_000 }

let shard: TestShard

beforeEach(() => {
  shard = new TestShard('Counter')
})

afterEach(() => shard.connection.clean())

let ids = 0

const write = (...names: string[]) => shard.write(...names.map((name) => compiler.increment({ name }, { value: 1 })))

async function claim(target: ClaimTarget, limits = LIMITS): Promise<Batch | undefined> {
  return (await shard.store.claim(shard.prefix, `batch-${++ids}`, limits, target)).batch
}

async function claimAll(): Promise<Batch> {
  return (await claim({ before: (await shard.store.now()) + 1000 })) as Batch
}

const keysOf = (batch: Batch | undefined) => batch && unpackRecords(batch.packed).records.map(({ key }) => key)

async function acknowledge(batch: Batch | undefined): Promise<void> {
  const id = batch?.id as string
  await shard.store.acknowledge(shard.prefix, id, id, `next-${++ids}`, TTL, 1, false)
}

test('named records are claimed: those that are dirty, once each, in the order of their names', async () => {
  await write('a', 'b', 'c', 'd')
  const batch = await claim({ keys: ['d', 'b', 'clean', 'd'] })
  expect(keysOf(batch)).toEqual(['d', 'b'])
  await acknowledge(batch)
  expect(await shard.store.status(shard.prefix)).toMatchObject({ dirty: 2 })
  expect(keysOf(await claimAll())).toEqual(['a', 'c'])
})

test('a claim of named records leaves alone what lies before them in the index', async () => {
  await write('a')
  await shard.putBack('a', 1_600_000_000_000, 1_600_000_000_000)
  await write('b', 'c')
  await acknowledge(await claim({ keys: ['c', 'b'] }))
  expect(await shard.store.due(shard.prefix, 'a')).toBe(1_600_000_000_000)
  expect(keysOf(await claimAll())).toEqual(['a'])
})

test('a claim of named records keeps to the limits of a batch', async () => {
  shard.limits = { ...shard.limits, maxDirty: 20_000 }
  const keys = Array.from({ length: 10_000 }, (_, n) => `k${n}`)
  for (let from = 0; from < keys.length; from += 500) await write(...keys.slice(from, from + 500))
  expect((await claim({ keys }, { records: 9000, bytes: 2 ** 20 }))?.size).toBe(9000)
})

test('none of the named records is dirty: the reply says when something else is due', async () => {
  await write('a')
  expect(await shard.store.claim(shard.prefix, 'id', LIMITS, { keys: ['b', 'c'] })).toMatchObject({ batch: undefined, putOff: 0 })
})

test('all records of a batch are parked by one call, each with its reason', async () => {
  await write('a', 'b', 'c')
  const batch = await claimAll()
  await write('b')
  const parked = await shard.store.park(shard.prefix, batch.id, ['one', 'two words', 'three'], 'next')
  expect(parked).toEqual(['a', 'b', 'c'].map((key) => ({ key, attempts: 1 })))
  const listed = new Map((await shard.store.parked(shard.prefix)).map(({ key, reason }) => [key, reason]))
  expect(listed).toEqual(new Map(Object.entries({ a: 'one', b: 'two words', c: 'three' })))
  const again = await claim({ keys: ['a', 'b', 'c'] })
  expect(keysOf(again)).toEqual(['a', 'b', 'c'])
  expect(unpackRecords(again?.packed as Batch['packed']).texts.count).toBe(3)
  expect(await shard.store.park(shard.prefix, again?.id as string, ['the same'], 'next')).toEqual(
    ['a', 'b', 'c'].map((key) => ({ key, attempts: 2 })),
  )
  expect((await shard.store.parked(shard.prefix)).map(({ reason }) => reason)).toEqual(Array(3).fill('the same'))
})

test('records set apart wait for their turn, and come with what is known of them', async () => {
  await write('a', 'b', 'c', 'd', 'e')
  const batch = await claimAll()
  await shard.store.split(shard.prefix, batch.id, 'good', [3, 1], ['of d', 'of b'])
  const good = await claim({ due: 0 })
  expect(keysOf(good)).toEqual(['a', 'c', 'e'])
  expect(good).toMatchObject({ id: 'good', reasons: undefined, tries: 1 })
  await acknowledge(good)
  const refused = await claim({ due: 0 })
  expect(keysOf(refused)).toEqual(['b', 'd'])
  expect(refused).toMatchObject({ reasons: ['of b', 'of d'], tries: 1 })
  await shard.store.park(shard.prefix, refused?.id as string, refused?.reasons as string[], 'next')
  expect(await shard.store.parked(shard.prefix)).toMatchObject([
    { key: 'b', reason: 'of b' },
    { key: 'd', reason: 'of d' },
  ])
})

test('a group set apart that is divided again is known no more', async () => {
  await write('a', 'b', 'c')
  await shard.store.split(shard.prefix, (await claimAll()).id, 'good', [1, 2], ['of b', 'of c'])
  await acknowledge(await claim({ due: 0 }))
  const refused = await claim({ due: 0 })
  await shard.store.split(shard.prefix, refused?.id as string, 'one')
  const one = await claim({ due: 0 })
  expect([keysOf(one), one?.reasons]).toEqual([['b'], undefined])
  await acknowledge(one)
  const other = await claim({ due: 0 })
  expect([keysOf(other), other?.reasons]).toEqual([['c'], undefined])
})

test('a batch is not divided into all and nothing', async () => {
  await write('a', 'b')
  const batch = await claimAll()
  await shard.store.split(shard.prefix, batch.id, 'other', [0, 1], ['x', 'y'])
  expect((await claim({ due: 0 }))?.id).toBe(batch.id)
})

test('each claim of a batch in flight counts, until it is forgiven; another batch is not forgiven with it', async () => {
  await write('a')
  const batch = await claimAll()
  expect(batch.tries).toBe(1)
  expect((await claimAll()).tries).toBe(2)
  await shard.store.forgive(shard.prefix, 'another')
  expect((await claimAll()).tries).toBe(3)
  await shard.store.forgive(shard.prefix, batch.id)
  expect((await claimAll()).tries).toBe(1)
  await acknowledge(batch)
  await shard.store.forgive(shard.prefix, batch.id)
  expect(await shard.connection.redis.exists(`${shard.prefix}batch`)).toBe(0)
})
