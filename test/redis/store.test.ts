/** What makes each step in Redis safe. For all steps together see failpoints.test.ts and schedules.test.ts. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import { shardPrefix } from '../../src/redis/keys.js'
import type { Batch, Lease, PackedRecords } from '../../src/redis/replies.js'
import { Store } from '../../src/redis/store.js'
import { unpackRecords } from '../../src/redis/unpack.js'
import { createRedis } from '../fixture.js'

const LIMITS = { debounce: 0, maxWait: 1, maxDirty: 100_000, maxBytes: 2 ** 22, nameClean: false }
const BATCH = { records: 100, bytes: 1000 }
const TTL = { view: 60_000, missing: 5000 }
const FIELDS = [{ name: 'value', start: '0' }]

let connection: ReturnType<typeof createRedis>
let store: Store
let prefix: string

beforeEach(() => {
  connection = createRedis()
  store = new Store(connection.redis)
  prefix = shardPrefix(connection.namespace, 'Counter', 0)
})

afterEach(() => connection.clean())

let sequence = 0

async function increment(...names: string[]) {
  const compiler = new Compiler(models.counter)
  const operations = names.map((name) => compiler.increment({ name }, { value: 1 }))
  return store.write(prefix, 'writer', ++sequence, names.length, LIMITS, operations)
}

async function claim(id: string) {
  const { batch } = await store.claim(prefix, id, BATCH, { before: (await store.now(prefix)) + 1000 })
  return batch
}

/** For each record its key, and its change as a flat list. */
function recordsOf(batch: Batch | undefined) {
  const { records, texts } = unpackRecords(batch?.packed as PackedRecords)
  return records.map((record) => {
    const { key, since, head } = record
    const values = texts.of(record)
    return { key, content: ['~', head.state + since, ...head.names.flatMap((name, n) => [name, values[n]])] }
  })
}

/** The id of the batch that this claim made. */
async function claimed(name: string): Promise<string> {
  return (await claim(name))?.id ?? ''
}

/** Reads, and stores what it has loaded. */
async function load(key: string, ledger: string | null, values: string[] | undefined): Promise<void> {
  const [found] = await store.read(prefix, `lease-${++sequence}`, 1000, ['value'], [key])
  await store.load(prefix, TTL, FIELDS, { ledger, rows: [{ key, values }] }, [(found as Lease).lease], '')
}

async function everyStep(): Promise<void> {
  await increment('a', 'b')
  await store.split(prefix, await claimed('1'), '2')
  await store.park(prefix, '2', ['reason'], '3')
  await store.acknowledge(prefix, '3', '3', '4', TTL, 1, false)
  await load('c', '3', undefined)
  await store.hold(prefix, 'hold', 1000, ['c'])
  await store.release(prefix, 'hold', ['c'])
  await store.invalidate(prefix, ['c'])
}

/** Names of this shard's keys, without those of the writers. */
async function keys(): Promise<string[]> {
  const found = await connection.redis.keys(`${prefix}*`)
  return found.map((key) => key.slice(prefix.length)).filter((key) => !key.startsWith('writer/'))
}

test('every step is one command, so that a process can die before or after it, but not within it', async () => {
  const { redis } = connection
  await everyStep() // Redis knows the scripts from then on.
  await connection.empty()
  const sent: string[] = []
  const send = redis.sendCommand.bind(redis)
  redis.sendCommand = (command, ...rest) => {
    if (command.name !== 'time') sent.push(command.name) // Only this test asks for the time.
    return send(command, ...rest)
  }
  await everyStep()
  expect(sent).toEqual(Array(10).fill('evalsha'))
})

async function expiring(): Promise<string[]> {
  const ttls = await Promise.all((await keys()).map(async (key) => ({ key, ttl: await connection.redis.pttl(prefix + key) })))
  return ttls.filter(({ ttl }) => ttl !== -1).map(({ key }) => key)
}

test('nothing of a dirty record has a TTL, at any step', async () => {
  await load('a', null, ['1'])
  expect(await expiring()).toEqual(['view/a'])
  await increment('a')
  expect(await expiring()).toEqual([])
  const first = await claimed('1')
  expect(await expiring()).toEqual([])
  await increment('a')
  await store.acknowledge(prefix, first, first, '2', TTL, 1, false)
  expect(await expiring()).toEqual([])
  await store.park(prefix, await claimed('3'), ['reason'], '4')
  expect(await expiring()).toEqual([])
  const { batch } = await store.claim(prefix, '5', BATCH, { key: 'a' })
  await store.acknowledge(prefix, batch?.id ?? '', batch?.id ?? '', '6', TTL, 1, false)
  expect(await expiring()).toEqual(['view/a'])
})

test('nothing of a dirty record without a view has a TTL', async () => {
  await increment('a', 'b')
  expect(await expiring()).toEqual([])
  await increment('b', 'c') // The shard has changes already.
  expect(await expiring()).toEqual([])
  await claimed('1')
  await increment('a')
  expect(await expiring()).toEqual([])
})

test('a parked record that is tried again is not due, and so does not count as overdue', async () => {
  await increment('a')
  await store.park(prefix, await claimed('1'), ['reason'], '2')
  expect(await store.status(prefix)).toMatchObject({ dirty: 1, inFlight: false, firstDue: undefined })
  await store.claim(prefix, '3', BATCH, { key: 'a' })
  expect(await store.status(prefix)).toMatchObject({ dirty: 1, inFlight: true, firstDue: undefined })
  await increment('b')
  expect(await store.status(prefix)).toMatchObject({ dirty: 2, firstDue: await store.due(prefix, 'b') })
})

test('a write says that its shard had nothing due, unless a batch is in flight', async () => {
  expect(await increment('a')).toMatchObject({ shardWasClean: true })
  expect(await increment('a', 'b')).toMatchObject({ shardWasClean: false })
  await store.split(prefix, await claimed('1'), '2')
  expect(await increment('c')).toMatchObject({ shardWasClean: false })
  await store.acknowledge(prefix, await claimed('3'), '2', '4', TTL, 1, false)
  await store.acknowledge(prefix, await claimed('5'), '4', '6', TTL, 1, false)
  const last = await claimed('7')
  expect(last).toMatch(/^7/)
  await store.park(prefix, last, ['reason'], '8')
  expect(await increment('d')).toMatchObject({ shardWasClean: true })
})

test('a view that is loaded while its record is claimed gets its TTL when the record is clean, in either half of a split batch', async () => {
  await increment('a', 'b')
  const first = await claimed('1')
  await load('a', null, ['1'])
  await load('b', null, ['1'])
  await store.split(prefix, first, '2')
  expect(await expiring()).toEqual([])
  await store.acknowledge(prefix, '2', '2', '3', TTL, 1, false)
  expect(await expiring()).toEqual(['view/a'])
  await store.acknowledge(prefix, '3', '3', '4', TTL, 1, false)
  expect((await expiring()).sort()).toEqual(['view/a', 'view/b'])
})

test('the view of a clean record gets the TTL for a row or the TTL for a missing row', async () => {
  const ttls = () => Promise.all(['a', 'b'].map((key) => connection.redis.pttl(`${prefix}view/${key}`)))
  const { view, missing } = TTL
  await load('a', null, ['1'])
  await increment('a')
  const first = await claimed('1')
  await store.acknowledge(prefix, first, first, '2', TTL, 1, false)
  expect(await ttls()).toEqual([expect.toSatisfy((ttl) => ttl > missing && ttl <= view), -2])
  await load('b', first, ['1'])
  await increment('a')
  await store.write(prefix, 'writer', ++sequence, 1, LIMITS, [new Compiler(models.counter).delete({ where: { name: 'b' } })])
  const second = await claimed('3')
  await increment('a')
  await store.acknowledge(prefix, second, second, '4', TTL, 1, false)
  expect(await ttls()).toEqual([-1, expect.toSatisfy((ttl) => ttl > 0 && ttl <= missing)])
})

test('a claimed record is dirty until its batch is acknowledged, and counts once', async () => {
  await increment('a', 'b')
  const due = await store.due(prefix, 'a')
  const first = await claimed('1')
  await store.split(prefix, first, '2')
  expect(await Promise.all(['a', 'b', 'c'].map((key) => store.due(prefix, key)))).toEqual([due, due, undefined])
  expect(await store.hold(prefix, 'hold', 1000, ['a', 'b', 'c'])).toEqual(['a', 'b'])
  expect(await store.status(prefix)).toMatchObject({ dirty: 2, inFlight: true, firstDue: due })
  await increment('a')
  expect(await store.status(prefix)).toMatchObject({ dirty: 2, inFlight: true, firstDue: due })
  await store.acknowledge(prefix, '2', '2', '3', TTL, 1, false)
  await store.acknowledge(prefix, '3', '3', '4', TTL, 1, false)
  expect(await store.status(prefix)).toMatchObject({ dirty: 1, inFlight: false })
  expect(await store.due(prefix, 'b')).toBeUndefined()
})

test('a batch of any size can be split', async () => {
  const records = 20_000
  for (let from = 0; from < records; from += 500) await increment(...Array.from({ length: 500 }, (_, n) => `n${from + n}`))
  const { batch } = await store.claim(prefix, '1', { records, bytes: 2 ** 30 }, { before: (await store.now(prefix)) + 1000 })
  await store.split(prefix, batch?.id as string, '2')
  expect((await claim('3'))?.size).toBe(records / 2)
})

test('an acknowledgement, a split and a park that come late leave a newer batch alone', async () => {
  await increment('a', 'b')
  const late = await claimed('1')
  await store.acknowledge(prefix, late, late, '2', TTL, 1, false)
  await increment('a', 'b')
  const newer = await claim('3')
  const before = await keys()
  expect(await store.acknowledge(prefix, late, late, '4', TTL, 1, false)).toBeUndefined()
  await store.split(prefix, late, '5')
  expect(await store.park(prefix, late, ['reason'], '6')).toBeUndefined()
  expect(await claim('7')).toEqual({ ...newer, tries: 2 })
  expect((await keys()).sort()).toEqual(before.sort())
})

test('a repeated claim returns the batch in flight, without what was written since', async () => {
  await increment('a')
  const first = await claim('1')
  await increment('a', 'b')
  expect(await claim('2')).toEqual({ ...first, tries: 2 })
  expect(recordsOf(first)).toMatchObject([{ key: 'a', content: expect.arrayContaining(['+value', '1']) }])
  await store.acknowledge(prefix, first?.id ?? '', first?.id ?? '', '3', TTL, 1, false)
  const one = { content: expect.arrayContaining(['+value', '1']) }
  expect(recordsOf(await claim('4'))).toMatchObject([one, one])
})

test('a claim that is sent again after its batch has gone makes a batch with another id, since the ledger knows the old one', async () => {
  await increment('a')
  const first = await claim('1')
  await store.acknowledge(prefix, first?.id ?? '', first?.id ?? '', '2', TTL, 1, false)
  await increment('a')
  const again = await claim('1')
  expect(recordsOf(again)).toHaveLength(1)
  expect(again?.id).not.toBe(first?.id)
})

describe('a call that is sent again', () => {
  const { redis, namespace, clean } = createRedis()
  afterAll(clean)

  test('changes nothing and answers as before', async () => {
    const store = new Store(redis)
    const prefix = shardPrefix(namespace, 'Counter', 0)
    const operation = new Compiler(models.counter).increment({ name: 'a' }, { value: 5 })
    const limits = { debounce: 1000, maxWait: 5000, maxDirty: 10, maxBytes: 2 ** 22, nameClean: true }
    const first = await store.write(prefix, 'writer', 1, 1, limits, [operation])
    const again = await store.write(prefix, 'writer', 1, 1, limits, [operation])
    expect(again).toEqual(first)
    expect(first).toEqual({ shardWasClean: true, clean: [0], refused: new Map(), rows: new Map() })
    expect((await store.pending(prefix, 'a')).pending).toEqual(['~', expect.any(String), '+value', '5'])
    await store.write(prefix, 'writer', 2, 1, limits, [operation])
    expect((await store.pending(prefix, 'a')).pending).toEqual(['~', expect.any(String), '+value', '10'])
  })
})
