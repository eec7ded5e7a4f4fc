/**
 * Releases of one layout share a namespace. So what version 0.1.0 has stored must be read for ever, and the same calls must store the same.
 * test/layout/1.json holds a namespace as 0.1.0 leaves it. Only a new layout may change it (docs/versions.md).
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { createWriteBehind } from '../src/index.js'
import { ledgerShard, shardPrefix } from '../src/redis/keys.js'
import { Store } from '../src/redis/store.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import recorded from './layout/1.json' with { type: 'json' }

const policies = { pageView: { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 } }
const TIME = '1790000000000'
const ID = '00000000-0000-4000-8000-000000000000'
const DATE = '2026-09-21T14:13:20.000'
/** Keys that no other process reads, and keys that expire within seconds. */
const OWN = /^(writer|lease)\//

type Key = { readonly [field: string]: string } | string

let connection: ReturnType<typeof createRedis>
let database: TestDatabase
let cache: Awaited<ReturnType<typeof start>>
let prefix: string

beforeEach(async () => {
  connection = createRedis()
  database = await createDatabase()
  cache = await start()
  prefix = shardPrefix(connection.namespace, 'PageView', 0)
})

afterEach(async () => {
  await cache.close({ drain: 'none' })
  await connection.clean()
  await database.drop()
})

test('what version 0.1.0 has stored is read, and flushed', async () => {
  const { redis, namespace } = connection
  await database.query('insert into write_behind_ledger (shard, batch) values ($1, $2)', [
    ledgerShard(namespace, 'PageView', 0),
    recorded.ledger,
  ])
  for (const [name, key] of Object.entries<Key>(recorded.keys)) await restore(redis, `${prefix}${name}`, key)
  expect(await cache.parked()).toMatchObject([{ model: 'PageView', key: 'parked', attempts: 2, since: new Date(Number(TIME)) }])
  expect(await cache.pageView.pending({ path: 'packed' })).toMatchObject({ state: 'pending', increment: { views: 2n } })
  expect(await viewsRead()).toEqual(VIEWS)
  await cache.flush()
  expect(await cache.parked()).toEqual([])
  const rows = await database.query<{ path: string; views: number }>('select path, views::int from page_views')
  expect(Object.fromEntries(rows.map(({ path, views }) => [path, views]))).toEqual(VIEWS)
})

test('the same calls store the same', async () => {
  await write()
  const [row] = await database.query<{ batch: string }>('select batch from write_behind_ledger where shard = $1', [
    ledgerShard(connection.namespace, 'PageView', 0),
  ])
  const found = { ledger: masked(row?.batch ?? ''), keys: await dump() }
  await expect(`${JSON.stringify(found, null, 2)}\n`).toMatchFileSnapshot('layout/1.json')
})

/** The rows that these calls make. */
const VIEWS = { packed: 2, based: 100, hash: 1, bounded: 10, before: 0, replaced: 4, parked: 1000, flying: 3 }

async function write(): Promise<void> {
  const { pageView } = cache
  await database.query('alter table page_views add check (views < 1000)')
  await pageView.increment({ path: 'parked' }, { views: 1000 })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
  await pageView.increment({ path: 'packed' }, { views: 2 })
  await pageView.upsert({ where: { path: 'based' }, create: { path: 'based', views: 100 }, update: { views: { increment: 1 } } })
  await pageView.increment({ path: 'hash' }, { views: 1 })
  await pageView.set({ path: 'hash' }, { lastStatus: 404 })
  await pageView.max({ path: 'bounded' }, { views: 10 })
  await pageView.min({ path: 'bounded' }, { bytes: -5 })
  await pageView.update({ where: { path: 'before' }, data: { lastStatus: 1 } })
  await pageView.upsert({ where: { path: 'before' }, create: { path: 'before' }, update: { bytes: { increment: 1 } } })
  await pageView.delete({ where: { path: 'gone' } })
  await pageView.delete({ where: { path: 'replaced' } })
  await pageView.increment({ path: 'replaced' }, { views: 4 })
  await pageView.findUnique({ where: { path: 'packed' } })
  await pageView.increment({ path: 'flying' }, { views: 3 })
  await new Store(connection.redis).claim(prefix, ID, { records: 10, bytes: 1_000_000 }, { key: 'flying' })
}

async function viewsRead(): Promise<Record<string, number>> {
  const paths = [...Object.keys(VIEWS), 'gone']
  const rows = await cache.pageView.findMany({ keys: paths.map((path) => ({ path })) })
  return Object.fromEntries(rows.flatMap((row) => (row === null ? [] : [[row.path, Number(row.views)]])))
}

function start() {
  const { redis, namespace } = connection
  return createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
}

async function dump(): Promise<Record<string, Key>> {
  const { redis } = connection
  const found: Record<string, Key> = {}
  const names = (await redis.keys(`${prefix}*`)).map((name) => name.slice(prefix.length)).sort()
  for (const name of names.filter((each) => !OWN.test(each))) found[name] = await read(redis, `${prefix}${name}`)
  return found
}

async function read(redis: typeof connection.redis, key: string): Promise<Key> {
  const type = await redis.type(key)
  if (type === 'string') return masked((await redis.getBuffer(key))?.toString('latin1') ?? '')
  if (type === 'zset') return pairs(await redis.zrange(key, '0', '-1', 'WITHSCORES'))
  return pairs(Object.entries(await redis.hgetallBuffer(key)).flatMap(([field, value]) => [field, value.toString('latin1')]))
}

function pairs(flat: readonly string[]): Key {
  const found = flat.flatMap((field, n) => (n % 2 === 0 ? [[field, masked(flat[n + 1] as string)] as const] : []))
  return Object.fromEntries(found.sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Times and ids differ from run to run. What stands for them has the same length, because sizes stand before packed texts. */
function masked(text: string): string {
  return text
    .replaceAll(/(?<!\d)1[789]\d{11}(?!\d{1,12}(?!\d))/g, TIME)
    .replaceAll(new RegExp(`(?<=${TIME})1[789]\\d{11}(?!\\d)`, 'g'), TIME)
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}(\.\d+\.\d+)?/g, ID)
    .replaceAll(/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}/g, DATE)
}

async function restore(redis: typeof connection.redis, name: string, key: Key): Promise<void> {
  if (typeof key === 'string') await redis.set(name, Buffer.from(key, 'latin1'))
  else if (name.endsWith('/dirty')) for (const [member, score] of Object.entries(key)) await redis.zadd(name, score, member)
  else for (const [field, value] of Object.entries(key)) await redis.hset(name, field, Buffer.from(value, 'latin1'))
}
