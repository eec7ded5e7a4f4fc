import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { Prisma } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import { type Cache, createWriteBehind, InvalidInputError, type WriteBehindError } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import { startRedis } from '../environment/redis.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  await database.drop()
})

const quiet = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }

describe('a write with bad input', () => {
  const { redis, namespace, clean } = createRedis()
  const policies = { counter: quiet, pageView: quiet, reading: quiet, player: quiet, document: quiet } as const
  let cache: Cache<typeof models, typeof policies>
  const id = '6f1c8e1a-0000-4000-8000-00000000000a'
  const document = { where: { id: 'a' }, create: { title: 't', body: {} } }

  beforeAll(async () => {
    cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
  })

  afterAll(async () => {
    await cache.close()
    await clean()
  })

  // Every case breaks one rule; the message names model, field, what was expected and what came.
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'an unknown field',
      () => cache.counter.increment({ name: 'a' }, { valeu: 1 } as object),
      /^Counter\.valeu: expected one of the fields value, got an unknown field$/,
    ],
    [
      'a wrong type',
      () => cache.pageView.update({ where: { path: '/' }, data: { lastStatus: '200' as never } }),
      /^PageView\.lastStatus: expected an integer of 32 bits, got "200"$/,
    ],
    [
      'a number out of range',
      () => cache.pageView.update({ where: { path: '/' }, data: { lastStatus: 2 ** 31 } }),
      /lastStatus: expected an integer of 32 bits, got 2147483648$/,
    ],
    [
      'a bigint out of range',
      () => cache.counter.increment({ name: 'a' }, { value: 2n ** 63n }),
      /value: expected a bigint of 64 bits, or a safe integer, got 9223372036854775808n$/,
    ],
    ['an unsafe integer', () => cache.counter.increment({ name: 'a' }, { value: 2 ** 53 }), /a safe integer, got 9007199254740992$/],
    ['a fraction as an increment', () => cache.counter.increment({ name: 'a' }, { value: 0.5 }), /a safe integer, got 0\.5$/],
    ['a string as an increment', () => cache.counter.increment({ name: 'a' }, { value: '1' as never }), /a safe integer, got "1"$/],
    [
      'an increment of a Float',
      () => cache.reading.increment({ device_metric: { device: 'd', metric: 'm' } }, { value: 1 } as never),
      /^Reading\.value: expected a field of type Int or BigInt to increment \(count in whole units, as cents are, or set the value\), got a finite number$/,
    ],
    [
      'an increment of a string field',
      () => cache.player.update({ where: { id }, data: { name: { increment: 1 } as never } }),
      /^Player\.name: expected a field of type Int or BigInt to increment, got a string$/,
    ],
    [
      'an increment that could not insert the row',
      () => cache.reading.increment({ device_metric: { device: 'd', metric: 'm' } }, { samples: 1 } as never),
      /^Reading\.value: expected a default, as increment inserts the row when it is missing \(use update or upsert\), got none$/,
    ],
    [
      'no increment at all',
      () => cache.counter.increment({ name: 'a' }, {}),
      /^Counter: expected at least one field to increment, got none$/,
    ],
    [
      'text that is too long',
      () => cache.player.update({ where: { id }, data: { name: '💛'.repeat(41) } }),
      /^Player\.name: expected at most 40 characters, got 41 characters$/,
    ],
    [
      'text with a NUL',
      () => cache.player.update({ where: { id }, data: { name: 'a\0' } }),
      /^Player\.name: expected text without the NUL character/,
    ],
    [
      'text that is not Unicode',
      () => cache.player.update({ where: { id }, data: { name: '\ud800' } }),
      /^Player\.name: expected well-formed Unicode text/,
    ],
    [
      'null where none is allowed',
      () => cache.player.update({ where: { id }, data: { name: null as never } }),
      /^Player\.name: expected a string, got null$/,
    ],
    [
      'plain null for Json',
      () => cache.document.update({ where: { id: 'a' }, data: { meta: null as never } }),
      /^Document\.meta: expected Prisma\.JsonNull or Prisma\.DbNull instead of null, got null$/,
    ],
    [
      'a DbNull for what is no Json',
      () => cache.document.update({ where: { id: 'a' }, data: { note: Prisma.DbNull as never } }),
      /^Document\.note: expected a string, got an? \w+$/,
    ],
    [
      'a null of Prisma for the data',
      () => cache.document.update({ where: { id: 'a' }, data: Prisma.JsonNull as never }),
      /^Document: expected data to be an object, got an? \w+$/,
    ],
    [
      'a Date for the data',
      () => cache.document.update({ where: { id: 'a' }, data: new Date(0) as never }),
      /^Document: expected data to be an object, got the Date 1970-01-01T00:00:00\.000Z$/,
    ],
    [
      'a DbNull for a required Json',
      () => cache.document.update({ where: { id: 'a' }, data: { body: Prisma.DbNull as never } }),
      /^Document\.body: expected a JSON value/,
    ],
    [
      'JSON that cannot be stored',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { a: '\0' } } }),
      /^Document\.body: expected JSON without NUL characters/,
    ],
    [
      'a circle in JSON',
      () => cache.document.update({ where: { id: 'a' }, data: { body: circle() as never } }),
      /^Document\.body: expected a JSON value, got an object|a Object/i,
    ],
    [
      'a function in JSON, which JSON.stringify would drop',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { a: () => 1 } as never } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'undefined in a list of JSON, which JSON.stringify would make null',
      () => cache.document.update({ where: { id: 'a' }, data: { body: [undefined] as never } }),
      /^Document\.body: expected a JSON value, got an Array$/,
    ],
    [
      'an invalid Date in JSON',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { at: new Date(Number.NaN) } } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'a Date in JSON that Prisma cannot send',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { at: new Date('+012345-01-01T00:00:00Z') } } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'a Decimal for JSON that is no number',
      () => cache.document.update({ where: { id: 'a' }, data: { body: new Prisma.Decimal('NaN') as never } }),
      /^Document\.body: expected a JSON value, got the Decimal NaN$/,
    ],
    [
      'a null of Prisma inside of JSON',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { a: Prisma.JsonNull } as never } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'an unknown enum member',
      () => cache.document.update({ where: { id: 'a' }, data: { state: 'published' as never } }),
      /^Document\.state: expected one of DRAFT, PUBLISHED, ARCHIVED, got "published"$/,
    ],
    [
      'a decimal with too many digits',
      () => cache.document.update({ where: { id: 'a' }, data: { price: '99999999999' } }),
      /^Document\.price: expected a finite decimal of at most 10 digits before the point/,
    ],
    [
      'a hexadecimal decimal',
      () => cache.document.update({ where: { id: 'a' }, data: { price: '0x1F' } }),
      /^Document\.price: expected a finite decimal .* got "0x1F"$/,
    ],
    [
      'a list that is none',
      () => cache.document.update({ where: { id: 'a' }, data: { tags: 'a' as never } }),
      /^Document\.tags: expected a list of a string, got "a"$/,
    ],
    [
      'an invalid Date',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: new Date(Number.NaN) } }),
      /^Document\.createdAt: expected a Date or an ISO 8601 date-time .* got an invalid Date$/,
    ],
    [
      'a day that there is not',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: '2023-02-29T00:00:00Z' } }),
      /^Document\.createdAt: expected a Date or an ISO 8601 date-time .* got "2023-02-29T00:00:00Z"$/,
    ],
    [
      'a date-time without seconds',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: '2023-02-28T00:00Z' } }),
      /^Document\.createdAt: expected a Date or an ISO 8601 date-time .* got "2023-02-28T00:00Z"$/,
    ],
    [
      'a date PostgreSQL would read otherwise',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: new Date('+012345-01-01T00:00:00Z') } }),
      /between the years 1 and 9999/,
    ],
    [
      'bytes that are none',
      () => cache.document.update({ where: { id: 'a' }, data: { blob: 'x' as never } }),
      /^Document\.blob: expected a Uint8Array, got "x"$/,
    ],
    ['a UUID that is none', () => cache.player.delete({ where: { id: 'nobody' } }), /^Player\.id: expected a UUID, got "nobody"$/],
    ['a missing key', () => cache.player.delete({ where: {} as never }), /^Player\.id: expected a string, got undefined$/],
    [
      'a filter beside the key',
      () => cache.player.delete({ where: { id, score: 1 } as never }),
      /^Player\.score: expected only the key \(id\) in where, got 1$/,
    ],
    [
      'half a compound key',
      () => cache.reading.delete({ where: { device_metric: { device: 'd' } } as never }),
      /^Reading\.metric: expected a string, got undefined$/,
    ],
    [
      'a compound key spelt flat',
      () => cache.reading.delete({ where: { device: 'd', metric: 'm' } as never }),
      /^Reading: expected where to be \{ device_metric: \{ … \} \}/,
    ],
    [
      'a changed key',
      () => cache.counter.update({ where: { name: 'a' }, data: { name: 'b' } }),
      /^Counter\.name: expected the key of where in data \(a key cannot be changed\), got "b"$/,
    ],
    [
      'a create without a required field',
      () => cache.document.upsert({ ...document, create: { title: 't' } as never, update: {} }),
      /^Document\.body: expected a value in create \(the field has no default\), got none$/,
    ],
    [
      'an operation there is not',
      () => cache.counter.update({ where: { name: 'a' }, data: { value: { multiply: 2 } as never } }),
      /^Counter\.value: expected a value, \{ set \}, \{ increment \}, \{ decrement \}, \{ max \} or \{ min \}, got \{ multiply \}$/,
    ],
    [
      'an argument there is not',
      () => cache.counter.update({ where: { name: 'a' }, data: {}, select: {} } as never),
      /^Counter: expected only where, data, got select$/,
    ],
    [
      'a relation in select',
      () => cache.counter.findUnique({ where: { name: 'a' }, select: { owner: true } as never }),
      /^Counter\.owner: expected a scalar field in select/,
    ],
  ]

  test.each(cases)('%s: is refused, says why, and stores nothing', async (_, call, message) => {
    const error = await call().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(message) })
    expect(await cache.status()).toEqual((await cache.status()).map((status) => ({ ...status, dirty: 0, writes: 0 })))
  })
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

describe('a backlog', () => {
  const { redis, namespace, clean } = createRedis()
  afterAll(clean)

  test('refuses clean records past its limit, and goes on taking writes to dirty ones', async () => {
    const cache = await createWriteBehind({
      prisma: database.prisma,
      redis,
      namespace,
      models,
      policies: { counter: { ...quiet, maxDirty: 2 } },
    })
    const writes = await Promise.allSettled(['x', 'y', 'z', 'x'].map((name) => cache.counter.increment({ name }, { value: 1 })))
    expect(writes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(writes[2]).toMatchObject({ reason: { code: 'BACKLOG_FULL', model: 'Counter', key: 'z' } })
    await cache.flush()
    await cache.counter.increment({ name: 'z' }, { value: 1 })
    await cache.close()
    expect(await database.prisma.counter.findMany({ where: { name: { in: ['x', 'y', 'z'] } }, orderBy: { name: 'asc' } })).toEqual([
      { name: 'x', value: 2n },
      { name: 'y', value: 1n },
      { name: 'z', value: 1n },
    ])
  })
})

describe('increments whose sum leaves 64 bits', () => {
  const { redis, namespace, clean } = createRedis()
  afterAll(clean)

  test('are refused one by one; the others count', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { pageView: quiet } })
    await cache.pageView.increment({ path: '/huge' }, { views: 1, bytes: 2n ** 62n })
    const tooMuch = cache.pageView.increment({ path: '/huge' }, { views: 1, bytes: 2n ** 62n })
    await expect(tooMuch).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('within 64 bits') })
    await cache.pageView.increment({ path: '/huge' }, { views: 1, bytes: -1 })
    expect(await cache.pageView.findUnique({ where: { path: '/huge' }, select: { views: true, bytes: true } })).toEqual({
      views: 2n,
      bytes: 2n ** 62n - 1n,
    })
    await cache.close()
    expect(await database.prisma.pageView.findUnique({ where: { path: '/huge' } })).toMatchObject({ views: 2n, bytes: 2n ** 62n - 1n })
  })
})

describe('a Redis of its own', () => {
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis

  beforeEach(async () => {
    server = await startRedis()
    redis = new Redis(server.url, { maxRetriesPerRequest: null })
    redis.on('error', () => {})
  })

  afterEach(async () => {
    redis.disconnect()
    await server.stop()
  })

  test('gets writes of one moment together, and those of one record as one operation', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await cache.counter.increment({ name: 'n0' }, { value: 0 })
    await redis.config('RESETSTAT')
    await Promise.all(Array.from({ length: 1000 }, (_, n) => cache.counter.increment({ name: `n${n % 4}` }, { value: 1 })))
    expect(await commandCalls(redis, 'evalsha')).toBe(1)
    expect(await cache.counter.findUnique({ where: { name: 'n1' } })).toEqual({ name: 'n1', value: 250n })
    expect(await cache.status()).toMatchObject([{ model: 'Counter', dirty: 4, writes: 1001 }])
    await cache.close()
    expect(await database.prisma.counter.findUnique({ where: { name: 'n3' } })).toEqual({ name: 'n3', value: 250n })
  })

  test.each([
    [{ policies: { counter: { debounce: -1 } } }, /^policies\.counter\.debounce: expected a whole number from 0 to 1000000000000, got -1$/],
    [{ policies: { counter: { debounce: Number.MAX_SAFE_INTEGER } } }, /^policies\.counter\.debounce: expected .* to 1000000000000, got 9/],
    [{ policies: { counter: { shards: 0 } } }, /^policies\.counter\.shards: expected a whole number from 1 /],
    [{ policies: {}, sweepInterval: 2 ** 31 }, /^options\.sweepInterval: expected a whole number from 1 to 1000000000, got 2147483648$/],
  ])('is not asked for anything with %j', async (options, message) => {
    const refused = createWriteBehind({ prisma: database.prisma, redis, models, ...options })
    await expect(refused).rejects.toMatchObject({ code: 'CONFIGURATION', message: expect.stringMatching(message) })
  })

  test('that may evict is refused at the start', async () => {
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const refused = createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: {} } })
    await expect(refused).rejects.toMatchObject({
      code: 'UNSAFE_REDIS',
      message: expect.stringContaining('expected maxmemory-policy noeviction'),
    })
  })

  test('that is full refuses writes with a typed error, loses nothing dirty, and takes writes again after a flush', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { document: { ...quiet, viewTtl: 1 } } })
    const title = 'x'.repeat(80)
    const write = (n: number) =>
      cache.document.upsert({ where: { id: `full ${n}` }, create: { title, body: { text: 'y'.repeat(2000) } }, update: { title } })
    await write(0)
    await redis.config('SET', 'maxmemory', Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) + 3_000_000)
    let written = 1
    let failure: unknown
    while (failure === undefined && written < 5000) {
      failure = await write(written).catch((error: unknown) => error)
      if (failure === undefined) written++
    }
    expect(failure).toMatchObject({ code: 'REDIS_FULL', model: 'Document' })
    await cache.flush()
    expect(await database.prisma.document.count({ where: { id: { startsWith: 'full' } } })).toBe(written)
    await vi.waitFor(() => write(written), 30_000)
    expect(await cache.close()).toEqual({ flushed: 1, dirty: 0, parked: 0 })
    expect(await database.prisma.document.count({ where: { id: { startsWith: 'full' } } })).toBe(written + 1)
  })

  test('that is away for a moment keeps writes waiting, and stores each once', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await cache.counter.increment({ name: 'away' }, { value: 1 })
    // While it waits for an fsync of its file, as at its start, Redis answers before it writes.
    await expect.poll(() => redis.info('persistence')).toContain('aof_buffer_length:0')
    await server.kill('SIGKILL')
    const writes = Promise.all(Array.from({ length: 10 }, () => cache.counter.increment({ name: 'away' }, { value: 1 })))
    await server.restart()
    await writes
    expect(await cache.counter.findUnique({ where: { name: 'away' } })).toEqual({ name: 'away', value: 11n })
    await cache.close()
    expect(await database.prisma.counter.findUnique({ where: { name: 'away' } })).toEqual({ name: 'away', value: 11n })
  })

  test('that stays away: a write fails, saying that nothing was stored', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet }, writeTimeout: 2000 })
    await server.kill('SIGKILL')
    await expect
      .poll(() => cache.counter.increment({ name: 'gone' }, { value: 1 }).catch((error: { code: string }) => error.code))
      .toBe('UNAVAILABLE')
    await expect(cache.flush({ timeout: 300 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    await expect(cache.status()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(cache.parked()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await cache.close({ deadline: 500 })).toEqual({ flushed: 0, dirty: undefined, parked: undefined })
    await expect(cache.status()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(cache.parked()).rejects.toMatchObject({ code: 'CLOSED' })
    const next = createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await expect(next).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') })
  })

  test('that turns writes away, as without its replicas, is waited for by a flush', async () => {
    const cache = await createWriteBehind({ prisma: database.prisma, redis, models, policies: { counter: quiet } })
    await cache.counter.set({ name: 'replicas' }, { value: 1 })
    await redis.config('SET', 'min-replicas-to-write', 1)
    await expect
      .poll(() => cache.flush({ timeout: 300 }).catch(({ code, message }: WriteBehindError) => `${code} ${message}`))
      .toMatch(/^UNAVAILABLE .*NOREPLICAS/)
    const flushing = cache.flush()
    await new Promise((resolve) => setTimeout(resolve, 300))
    await redis.config('SET', 'min-replicas-to-write', 0)
    expect(await flushing).toEqual({ records: 1 })
    await cache.close()
  })

  test('that is away when a worker is to start: it says so, and starts when it is told again', async () => {
    const own = new Redis(server.url, { maxRetriesPerRequest: null, lazyConnect: true })
    const policies = { counter: { debounce: 10, maxWait: 10 } }
    const cache = await createWriteBehind({ prisma: database.prisma, redis: own, models, policies, writeTimeout: 3000 })
    await server.kill('SIGKILL')
    await expect(cache.startWorker()).rejects.toMatchObject({ code: 'UNAVAILABLE', model: 'Counter' })
    await server.restart()
    await vi.waitFor(() => cache.startWorker(), 30_000)
    await cache.counter.set({ name: 'worker' }, { value: 1 })
    await expect.poll(() => database.prisma.counter.findUnique({ where: { name: 'worker' } })).toEqual({ name: 'worker', value: 1n })
    await cache.close()
  })

  test('gets writes of 4 MiB in a call each', async () => {
    const cache = await createWriteBehind({
      prisma: database.prisma,
      redis,
      models,
      policies: { document: { ...quiet, maxRecordSize: 2 ** 23 } },
    })
    const body = { text: 't'.repeat(4 * 2 ** 20) }
    const write = (n: number) => cache.document.upsert({ where: { id: `${n}` }, create: { title: 't', body }, update: { body } })
    const calls: number[] = []
    cache.events.on('written', ({ records }) => void calls.push(records))
    await Promise.all([0, 1, 2].map(write))
    expect(calls).toEqual([1, 1, 1])
    await redis.flushall()
    await cache.close()
  })
})

async function commandCalls(redis: Redis, command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.info('commandstats'))?.[1] ?? 0)
}

function circle(): object {
  const object: Record<string, unknown> = {}
  object.self = object
  return object
}
