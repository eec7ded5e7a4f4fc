/** What no worker could carry is refused at the call. What is too large and in Redis already stops neither workers nor neighbours. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { Compiler } from '../src/change/compiler.js'
import type { Operation } from '../src/change/operation.js'
import { type Cache, createWriteBehind, InvalidInputError } from '../src/index.js'
import { ShardNames } from '../src/redis/keys.js'
import { createDatabase, type TestDatabase } from './fixture.js'
import { TestShard } from './shard.js'
import type { ChildArguments } from './sizes/child.js'

const CHILD = fileURLToPath(new URL('sizes/child.ts', import.meta.url))
const MIB = 2 ** 20
/** Nothing is due by itself. */
const quiet = { debounce: 600_000, maxWait: 600_000, shards: 1 }
const compiler = new Compiler(models.document)

let database: TestDatabase
let shard: TestShard
let cache: Cache<typeof models, { document: object }>

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  shard = new TestShard('Document')
  shard.limits = { ...shard.limits, maxBytes: 2 ** 40 }
  const { redis, namespace } = shard.connection
  cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { document: quiet } })
})

afterEach(async () => {
  await cache.close({ deadline: 100 })
  await shard.connection.clean()
  await database.query('delete from "Document"')
})

test('a write of more than maxRecordSize bytes is refused at the call, and nothing is stored', async () => {
  const call = upsert('large', 'é'.repeat(2 * MIB))
  await expect(call).rejects.toThrow(InvalidInputError)
  await expect(call).rejects.toMatchObject({
    expected: expect.stringContaining('maxRecordSize'),
    got: expect.stringMatching(/^\d+ bytes$/),
  })
  expect(await cache.document.pending({ id: 'large' })).toBeNull()
  await upsert('fits', 'e'.repeat(2 * MIB))
  await cache.flush()
  expect(await written()).toEqual(['fits'])
})

test('the pending change of a record may grow to twice the limit, and is flushed; a write beyond that is refused and changes nothing', async () => {
  await upsert('grows', 'a'.repeat(3 * MIB))
  await update('grows', { note: 'b'.repeat(3 * MIB) })
  const more = update('grows', { meta: { text: 'c'.repeat(3 * MIB) } })
  await expect(more).rejects.toMatchObject({ code: 'INVALID_INPUT', expected: expect.stringContaining('twice maxRecordSize') })
  expect(await cache.document.pending({ id: 'grows' })).toMatchObject({ set: expect.not.objectContaining({ meta: expect.anything() }) })
  await update('grows', { note: 'd'.repeat(3 * MIB) })
  await cache.flush()
  expect(await database.query(`select length(note) as n, left(note, 1) as c from "Document"`)).toEqual([{ n: 3 * MIB, c: 'd' }])
  await update('grows', { meta: { text: 'c'.repeat(3 * MIB) } })
})

test('the extension writes to the database what the cache refuses for its size', async () => {
  const extended = database.prisma.$extends(cache.extension())
  const data = { id: 'large', title: 't', body: 'q'.repeat(5 * MIB) }
  expect(await extended.document.create({ data })).toMatchObject({ id: 'large' })
  expect(await written()).toEqual(['large'])
  await extended.document.update({ where: { id: 'large' }, data: { note: 'n'.repeat(5 * MIB) } })
  expect(await database.query('select length(note) as n from "Document"')).toEqual([{ n: 5 * MIB }])
})

test('a key of more than 65,536 characters is refused', async () => {
  await expect(upsert('%'.repeat(65_537), 'b')).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'id' })
  await expect(cache.document.findUnique({ where: { id: ' '.repeat(1e6) } })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})

test('forty million quotes in Redis do not end a process', async () => {
  await shard.write(stored('bomb', '"'.repeat(20_000_000)), stored('neighbour', 'x'))
  expect(await flushInChild({}, 1600)).toEqual({ code: 0, parked: [] })
  expect(await written()).toEqual(['bomb', 'neighbour'])
})

test('a process with 256 MiB flushes the largest pending change, and parks what it cannot carry', async () => {
  await shard.write(stored('heavy', '"'.repeat(10_000_000)), stored('most', '"'.repeat(4 * MIB - 100)), stored('neighbour', 'x'))
  const reason = expect.stringContaining('the heap of this worker can carry')
  expect(await flushInChild({}, 256)).toEqual({ code: 0, parked: [{ key: 'heavy', reason }] })
  expect(await written()).toEqual(['most', 'neighbour'])
  await cache.flush()
  expect(await written()).toEqual(['heavy', 'most', 'neighbour'])
})

test('a batch of which workers die is divided without being read: neighbours arrive, and the record is parked and tried once more', async () => {
  await shard.write(...['a', 'b', 'c'].map((id) => stored(id, 'x')), stored('bomb', 'BOMB '.repeat(100)))
  expect((await flushInChild({ bomb: 'BOMB' })).code).toBeNull()
  for (let death = 2; death <= 3; death++) await claim('a')
  const parked: object[] = []
  cache.events.on('parked', (event) => void parked.push(event))
  await cache.flush()
  expect(parked).toMatchObject([{ key: 'bomb', reason: 'Document: workers died while they had this record' }])
  expect(await written()).toEqual(['a', 'b', 'bomb', 'c'])
  expect(await cache.parked()).toEqual([])
})

test('a record of which workers died again is tried only by a call that names its key', async () => {
  await shard.write(stored('bomb', 'x'), stored('a', 'x'))
  await shard.park('bomb')
  const { redis } = shard.connection
  await redis.hset(`${shard.prefix}parked`, 'bomb', '2 1700000000000 Document: workers died while they had this record')
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: ['bomb'] })
  expect(await written()).toEqual(['a'])
  await cache.flush({ model: 'document', key: { id: 'bomb' } })
  expect(await written()).toEqual(['a', 'bomb'])
})

test('claims that end in an outage do not count: a batch comes through when the database is back', async () => {
  await shard.write(stored('a', 'x'), stored('b', 'x'))
  await database.query('alter table "Document" rename to "Away"')
  for (let attempt = 0; attempt < 6; attempt++)
    await expect(cache.flush({ timeout: 1000 })).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
  expect(await shard.store.inFlight(shard.prefix)).toMatchObject({ tries: 0 })
  await database.query('alter table "Away" rename to "Document"')
  await cache.flush()
  expect(await written()).toEqual(['a', 'b'])
})

test('a batch that had reached the database when its workers died is acknowledged without being read', async () => {
  await shard.write(stored('a', 'x'))
  const batch = await claim('a')
  await database.query('insert into write_behind_ledger (shard, batch) values ($1, $2)', [
    new ShardNames(shard.connection.namespace, 'Document', 1).ledger(0),
    batch?.id,
  ])
  for (let death = 2; death <= 3; death++) await claim('a')
  await cache.flush()
  expect([await cache.parked(), await written()]).toEqual([[], []])
  expect(await cache.document.isPersisted({ id: 'a' })).toBe(true)
})

/** As a worker that dies of what it gets. */
async function claim(key: string) {
  return (await shard.store.claim(shard.prefix, 'lost', { records: 10, bytes: MIB }, { keys: [key, 'b', 'bomb', 'c'] })).batch
}

function upsert(id: string, body: string): Promise<void> {
  return cache.document.upsert({ where: { id }, create: { title: 't', body }, update: { body } })
}

function update(id: string, data: object): Promise<void> {
  return cache.document.update({ where: { id }, data })
}

function stored(id: string, body: string): Operation {
  return compiler.upsert({ where: { id }, create: { title: 't', body }, update: { body } })
}

async function written(): Promise<string[]> {
  return (await database.query<{ id: string }>('select id from "Document" order by id')).map(({ id }) => id)
}

/** `code`: null if it was killed. */
async function flushInChild(more: Pick<ChildArguments, 'bomb'>, heap = 512) {
  const child: ChildArguments = {
    redisUrl: inject('redisUrl'),
    databaseUrl: database.url,
    namespace: shard.connection.namespace,
    ...more,
  }
  const args = [`--max-old-space-size=${heap}`, '--import', 'tsx', CHILD, JSON.stringify(child)]
  const running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  running.stdout.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const [code] = (await once(running, 'close')) as [number | null]
  return { code, parked: code === 0 ? (JSON.parse(said) as unknown[]) : undefined }
}
