/** BullMQ joins by ":" what a job says of queues, parents and ids: none of our keys may have one. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { queuePrefix } from '../../src/redis/keys.js'
import { createDatabase, createRedis } from '../fixture.js'

const NEVER = 3_600_000
const LUA = new URL('../../src/redis/lua/', import.meta.url)

let ending: (() => Promise<unknown>)[] = []

afterEach(async () => {
  const steps = ending.reverse()
  ending = []
  for (const step of steps) await step()
})

async function start() {
  const database = await createDatabase()
  ending.push(() => database.drop())
  const { redis, namespace, clean } = createRedis()
  ending.push(clean)
  const policies = { counter: { shards: 1, debounce: NEVER, maxWait: NEVER }, reading: { shards: 1, debounce: NEVER, maxWait: NEVER } }
  const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies, namespace })
  ending.push(() => cache.close({ deadline: 0 }))
  return { cache, database, redis, namespace }
}

test('no key of ours has a ":", whatever is stored', async () => {
  const { cache, database, redis, namespace } = await start()
  const found = new Set<string>()
  const look = async () => {
    for await (const keys of redis.scanStream({ match: `{${namespace}*` }) as AsyncIterable<string[]>)
      for (const key of keys) found.add(key)
  }
  const at = new Date()
  const where = (device: string, metric: string) => ({ device_metric: { device, metric } })
  const create = (device: string, metric: string, value: number) =>
    cache.reading.upsert({ where: where(device, metric), create: { device, metric, value, at }, update: { value, at } })

  await database.query('alter table "Reading" add constraint plausible check (value < 100)')
  await create('boiler', 'celsius:2', 1)
  await cache.reading.findUnique({ where: where('boiler', 'celsius:2') })
  await cache.reading.update({ where: where('boiler', 'celsius:2'), data: { value: { max: 2 } } })
  await create('oven', 'celsius', 451)
  await cache.counter.increment({ name: 'a:b' }, { value: 1 })
  await look()
  await expect(cache.flush()).rejects.toThrow('oven:celsius')
  await cache.reading.invalidate(where('boiler', 'celsius:2'))
  await cache.reading.findUnique({ where: where('boiler', 'celsius:2') })
  await cache.reading.delete({ where: where('oven', 'celsius') })
  await look()

  const own = [...found].filter((key) => !key.startsWith(`${queuePrefix(namespace)}:`))
  expect(own.filter((key) => key.includes(':'))).toEqual([])
  // What was looked at is what there is.
  for (const part of [
    '/packed',
    '/pend/boiler celsius%3A2',
    '/view/boiler celsius%3A2',
    '/dirty',
    '/acked',
    '/parked',
    '/writer/',
    '/stats',
  ])
    expect(own.some((key) => key.includes(part), part)).toBe(true)
})

test('no script names a key with a ":"', () => {
  for (const file of readdirSync(LUA, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.lua'))) {
    const text = readFileSync(new URL(file, LUA), 'utf8')
    expect(text.match(/(prefix|KEYS\[1\]|[a-z]Prefix) \.\. '[^']*:[^']*'/gi), file).toBeNull()
    expect(text.match(/'\w+\/' \.\. (key|ARGV|keys\[)/g), `${file} names a record's key without named()`).toBeNull()
  }
})

test("parts of records' keys stay apart in names", async () => {
  const { cache } = await start()
  const keys = [
    ['a', 'b c'],
    ['a b', 'c'],
    ['a:b', 'c'],
    ['a', 'b:c'],
    ['a/b', 'c'],
  ].map(([device, metric]) => ({ device: device as string, metric: metric as string }))
  for (const [value, key] of keys.entries()) {
    const data = { value, at: new Date(0) }
    await cache.reading.upsert({ where: { device_metric: key }, create: { ...key, ...data }, update: data })
  }
  // A view of each, under a name of its own.
  const rows = await Promise.all(keys.map((key) => cache.reading.findUnique({ where: { device_metric: key } })))
  expect(rows.map((row) => row?.value)).toEqual([0, 1, 2, 3, 4])
})

test('a job that names a key of ours as its parent writes nothing into it', async () => {
  const { cache, database, redis, namespace } = await start()
  for (let n = 0; n < 20; n++) await cache.counter.increment({ name: `n${n}` }, { value: 1 })
  const [queue] = cache.queues
  const names: string[] = []
  for await (const keys of redis.scanStream({ match: `{${namespace}/*` }) as AsyncIterable<string[]>) names.push(...keys)
  const before = await dump(names)
  for (const key of names) {
    // Wherever it is cut, and whatever BullMQ appends.
    for (let cut = namespace.length + 1; cut <= key.length; cut++) {
      const parent = { queue: key.slice(0, cut), id: key.slice(cut) }
      for (const option of [{ failParentOnFailure: true }, { removeDependencyOnFailure: true }, { ignoreDependencyOnFailure: true }])
        await queue?.add('crafted', {}, { ...option, parent }).catch(() => {})
    }
  }
  expect(await dump(names)).toEqual(before)
  await cache.flush()
  expect(await database.query('select sum(value) as sum from "Counter"')).toEqual([{ sum: '20' }])

  function dump(each: string[]): Promise<(Buffer | null)[]> {
    return Promise.all(each.map((key) => redis.dumpBuffer(key)))
  }
})
