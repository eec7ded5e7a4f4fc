/** Write-through and write-around: what a call does, what it says when something is away, and what a process leaves that dies in it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import type { SqlClient } from '../src/database/database.js'
import type { FailureEvent } from '../src/events.js'
import { type Cache, createWriteBehind, type Options, type Policy } from '../src/index.js'
import { startRedis } from './environment/redis.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import { resume } from './resume.js'
import type { ChildArguments, Point } from './strategies/child.js'

const HOUR = 3_600_000
const where = { name: 'a' }
const DIRECT = ['write-through', 'write-around'] as const

type Caches = Cache<typeof models, { counter: Policy; player: Policy }>

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
/** Around every statement of the library. */
let around: <T>(sql: string, send: () => Promise<T>) => Promise<T>
let snapshots: number
let opened: Caches[]

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  around = (_, send) => send()
  snapshots = 0
  opened = []
  await database.query(`insert into "Counter" values ('a', 1)`)
})

afterEach(async () => {
  for (const cache of opened) await cache.close({ deadline: 1000 })
  await connection.clean()
  await database.query('truncate "Counter", players')
})

async function connect(strategy: NonNullable<Policy['strategy']>, options: Options = {}, redis = connection.redis): Promise<Caches> {
  const prisma: SqlClient = {
    $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      if (sql.startsWith('select (select')) snapshots++
      return around(sql, () => database.prisma.$queryRawUnsafe<T>(sql, ...values))
    },
  }
  const policy = { strategy, shards: 2, debounce: HOUR, maxWait: HOUR }
  const { namespace } = connection
  const policies = { counter: policy, player: policy }
  const cache = await createWriteBehind({ prisma, redis, namespace, models, policies, ...options })
  opened.push(cache)
  return cache
}

function isWrite(sql: string): boolean {
  return sql.startsWith('with fence')
}

async function read(cache: Caches): Promise<bigint | undefined> {
  return (await cache.counter.findUnique({ where }))?.value
}

async function row(): Promise<number | undefined> {
  return (await database.query<{ value: number }>(`select value::int from "Counter" where name = 'a'`))[0]?.value
}

/** Whether the next read is answered without the database. */
async function isStored(cache: Caches): Promise<boolean> {
  const before = snapshots
  await read(cache)
  return snapshots === before
}

function set(cache: Caches, value: number): Promise<void> {
  return cache.counter.upsert({ where, create: { value }, update: { value } })
}

describe.each(DIRECT)('%s', (strategy) => {
  test(`has the row in the database before it resolves, and ${strategy === 'write-through' ? 'the view in Redis' : 'no view of it'}`, async () => {
    const cache = await connect(strategy)
    const other = await connect(strategy)
    await read(other)
    await set(cache, 2)
    expect(await row()).toBe(2)
    expect(await isStored(other)).toBe(strategy === 'write-through')
    expect(await read(other)).toBe(2n)
    await cache.counter.increment(where, { value: 5 })
    expect(await read(other)).toBe(7n)
    await cache.counter.delete({ where })
    expect(await read(other)).toBeUndefined()
    expect(await row()).toBeUndefined()
    await cache.counter.increment(where, { value: 5 })
    expect(await read(other)).toBe(5n)
    expect(await cache.status()).toMatchObject([{ dirty: 0 }, { dirty: 0 }])
  })

  test('remembers that a row is missing, until it is written', async () => {
    const cache = await connect(strategy)
    await cache.counter.delete({ where })
    await read(cache)
    expect(await isStored(cache)).toBe(true)
    await cache.counter.increment(where, { value: 1 })
    expect(await read(cache)).toBe(1n)
  })

  test('refused by the database: says why without values, and changes neither row nor view', async () => {
    const cache = await connect(strategy)
    const id = '6f1c8e1a-0000-4000-8000-00000000000a'
    await database.query(`alter table players add constraint "Short" check (display_name <> 'secret')`)
    await cache.player.upsert({ where: { id }, create: { name: 'fine' }, update: {} })
    const refused = cache.player.update({ where: { id }, data: { name: 'secret' } })
    await expect(refused).rejects.toMatchObject({ name: 'PersistError', code: 'REFUSED', databaseCode: '23514', model: 'Player' })
    await expect(refused).rejects.toThrow(/^(?!.*secret).*\(23514\)/)
    expect((await cache.player.findUnique({ where: { id } }))?.name).toBe('fine')
    expect(await cache.status()).toMatchObject([{ dirty: 0 }, { dirty: 0, parked: 0 }])
    await database.query('alter table players drop constraint "Short"')
  })

  test('with the database away: fails, stores nothing, and does not write it later', async () => {
    const cache = await connect(strategy)
    around = (sql, send) => (isWrite(sql) ? Promise.reject(new Error('connect ECONNREFUSED')) : send())
    await expect(set(cache, 2)).rejects.toMatchObject({ name: 'PersistError', code: 'OUTAGE' })
    around = (_, send) => send()
    expect(await cache.flush()).toEqual({ records: 0 })
    expect([await row(), await read(cache)]).toEqual([1, 1n])
  })

  test('whose statement is committed though its reply was lost: fails, and no read sees the row as it was before', async () => {
    const cache = await connect(strategy)
    await read(cache)
    around = async (sql, send) => {
      const result = await send()
      if (isWrite(sql)) throw new Error('Connection terminated unexpectedly')
      return result
    }
    await expect(set(cache, 2)).rejects.toMatchObject({ code: 'OUTAGE' })
    expect(await read(cache)).toBe(2n)
  })

  test('whose statement is committed only after it was given up: fails, and no view of the row as it was before is left', async () => {
    const cache = await connect(strategy)
    let commit: () => Promise<unknown> = async () => {}
    around = (sql, send) => {
      if (!isWrite(sql)) return send()
      commit = send
      return Promise.reject(new Error('Connection terminated unexpectedly'))
    }
    await expect(set(cache, 2)).rejects.toMatchObject({ code: 'OUTAGE' })
    expect(await read(cache)).toBe(1n)
    await commit()
    expect(await read(cache)).toBe(2n)
  })

  test('of bad input is refused before anything is sent', async () => {
    const cache = await connect(strategy)
    const sent: string[] = []
    around = (sql, send) => {
      sent.push(sql)
      return send()
    }
    await expect(cache.counter.update({ where, data: { value: 'x' as never } })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(sent).toEqual([])
  })

  test('applies every one of many upserts at once that create one thing and change another', async () => {
    await database.query('truncate "Counter"')
    const caches = await Promise.all([connect(strategy), connect(strategy)])
    const upsert = (cache: Caches) => cache.counter.upsert({ where, create: { value: 100 }, update: { value: { increment: 1 } } })
    await Promise.all(Array.from({ length: 20 }, (_, n) => upsert(caches[n % 2] as Caches)))
    expect(await row()).toBe(119)
    expect(await read(caches[0] as Caches)).toBe(119n)
  })

  test('is let end by a close', async () => {
    const cache = await connect(strategy)
    const writing = set(cache, 2)
    await cache.close()
    await writing
    expect(await row()).toBe(2)
    await expect(set(cache, 3)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('puts what another process has written behind into the database first, so that it comes after it', async () => {
    const cache = await connect(strategy)
    const behind = await connect('write-behind')
    await set(behind, 5)
    await set(cache, 6)
    await behind.flush()
    expect([await row(), await read(cache), await read(behind)]).toEqual([6, 6n, 6n])
    await cache.counter.increment(where, { value: 1 })
    await behind.counter.increment(where, { value: 1 })
    expect([await read(cache), await read(behind)]).toEqual([8n, 8n])
  })

  test('writes nothing over what another process has written behind and the database refuses', async () => {
    await database.query('alter table "Counter" add constraint "Small" check (value < 100)')
    const cache = await connect(strategy)
    const behind = await connect('write-behind')
    await set(behind, 500)
    await expect(set(cache, 6)).rejects.toMatchObject({ code: 'PARKED', keys: ['a'] })
    expect(await row()).toBe(1)
    await database.query('alter table "Counter" drop constraint "Small"')
    await set(cache, 6)
    expect([await row(), await read(behind)]).toEqual([6, 6n])
  })
})

describe('a Redis', () => {
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: Redis

  beforeEach(async () => {
    // What is acknowledged is on the disk, when Redis is killed too: by everysec it may not even have been written then.
    server = await startRedis({ arguments: ['--appendfsync', 'always'] })
    redis = new Redis(server.url, { maxRetriesPerRequest: null })
    redis.on('error', () => {})
  })

  afterEach(async () => {
    redis.disconnect()
    await server.stop()
  })

  test.each(DIRECT)('that is away before the statement of a %s: nothing is written', async (strategy) => {
    const cache = await connect(strategy, { writeTimeout: 5000 }, redis)
    await server.kill('SIGKILL')
    await expect(set(cache, 2)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await row()).toBe(1)
    await server.restart()
  })

  test.each(DIRECT)('that goes away after the statement of a %s: the call succeeds, and says so by an event', async (strategy) => {
    const cache = await connect(strategy, { writeTimeout: 5000 }, redis)
    const other = await connect(strategy, {}, redis)
    const failures: FailureEvent[] = []
    cache.events.on('failure', (failure) => failures.push(failure))
    await read(cache)
    around = async (sql, send) => {
      const result = await send()
      if (isWrite(sql)) await server.kill('SIGKILL')
      return result
    }
    await set(cache, 2)
    expect(await row()).toBe(2)
    expect(failures.filter(({ step }) => step === 'release')).toMatchObject([{ model: 'Counter', error: { code: 'UNAVAILABLE' } }])
    await server.restart()
    expect(await read(other)).toBe(2n)
  })
})

test.each(['write-behind', ...DIRECT] as const)('%s: many concurrent misses make one load', async (strategy) => {
  const cache = await connect(strategy)
  const rows = await Promise.all(Array.from({ length: 200 }, () => read(cache)))
  expect(new Set(rows)).toEqual(new Set([1n]))
  expect(snapshots).toBe(1)
})

describe('a model whose strategy changes', () => {
  test.each(DIRECT)('to %s has its dirty records flushed before the start ends', async (strategy) => {
    const behind = await connect('write-behind')
    await set(behind, 5)
    await behind.counter.increment({ name: 'b' }, { value: 1 })
    const cache = await connect(strategy)
    expect(await row()).toBe(5)
    expect(await cache.status()).toMatchObject([{ model: 'Counter', dirty: 0, rows: 2 }, {}])
    expect(await read(cache)).toBe(5n)
  })

  test('does not start while records are parked, and says which', async () => {
    await database.query('alter table "Counter" add constraint "Small" check (value < 100)')
    const behind = await connect('write-behind')
    await set(behind, 500)
    await expect(connect('write-through')).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message:
        'policies.counter.strategy: the database refuses 1 record(s) that were written behind (a); correct them with the strategy write-behind before setting it to write-through',
    })
    await database.query('alter table "Counter" drop constraint "Small"')
    await connect('write-through')
    expect(await row()).toBe(500)
  })

  test('back to write-behind goes on from the rows', async () => {
    const through = await connect('write-through')
    await set(through, 5)
    const behind = await connect('write-behind')
    await behind.counter.increment(where, { value: 1 })
    expect([await read(behind), await read(through), await row()]).toEqual([6n, 6n, 5])
  })

  test('is refused where the word is none', async () => {
    await expect(connect('write-back' as never)).rejects.toThrow(
      'policies.counter.strategy: expected "write-behind" or "write-through" or "write-around", got "write-back"',
    )
  })
})

describe.each(DIRECT)('a process that stops in a %s', (strategy) => {
  let child: ChildProcess

  afterEach(() => {
    child.kill('SIGKILL')
  })

  /** Resolves when the child has come to the point. */
  async function start(point: Point, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
    const path = fileURLToPath(new URL('strategies/child.ts', import.meta.url))
    const { url: databaseUrl } = database
    const { namespace } = connection
    const redisUrl = inject('redisUrl')
    const args: ChildArguments = { databaseUrl, redisUrl, namespace, strategy, value: 7, point, signal }
    child = spawn(process.execPath, ['--import', 'tsx', path, JSON.stringify(args)], { stdio: ['ignore', 'pipe', 'inherit'] })
    await said('hit')
  }

  async function said(word: string): Promise<void> {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) if (line === word) return
    throw new Error(`the child ended without saying ${word}`)
  }

  /** Has the hold end now, as in a minute by itself. */
  async function expire(cache: Caches): Promise<void> {
    const [hold, ...others] = await connection.redis.keys(`{${connection.namespace}/Counter*}/hold/*`)
    expect([hold, others]).toEqual([expect.stringMatching(/\/hold\//), []])
    const ttl = await connection.redis.pttl(hold as string)
    expect(ttl).toBeGreaterThan(0)
    expect(ttl).toBeLessThanOrEqual(60_000)
    expect([await isStored(cache), await isStored(cache)]).toEqual([false, false])
    await connection.redis.pexpire(hold as string, 1)
  }

  async function finish(): Promise<void> {
    const ended = once(child, 'exit')
    resume(child)
    expect(await ended).toEqual([0, null])
  }

  test('killed between hold and statement: the row is as before, and can be cached again when the hold has expired', async () => {
    const cache = await connect(strategy)
    await start('statement', 'SIGKILL')
    expect([await read(cache), await row()]).toEqual([1n, 1])
    await expire(cache)
    await expect.poll(() => isStored(cache)).toBe(true)
    expect(await read(cache)).toBe(1n)
  })

  test('killed between statement and release: no read ever sees the row as it was before', async () => {
    const cache = await connect(strategy)
    await read(cache)
    await start('release', 'SIGKILL')
    expect(await read(cache)).toBe(7n)
    await expire(cache)
    await expect
      .poll(async () => {
        expect(await read(cache)).toBe(7n)
        return isStored(cache)
      })
      .toBe(true)
    expect([await read(cache), await row()]).toEqual([7n, 7])
  })

  test.each(['hold', 'statement', 'release'] as const)(
    'before its %s, while another writes and reads: views follow the commits',
    async (point) => {
      const cache = await connect(strategy)
      await start(point, 'SIGSTOP')
      expect(await read(cache)).toBe(point === 'release' ? 7n : 1n)
      await set(cache, 2)
      expect([await read(cache), await row()]).toEqual([2n, 2])
      await finish()
      const last = point === 'release' ? 2 : 7
      expect([await row(), await read(cache), await read(cache)]).toEqual([last, BigInt(last), BigInt(last)])
    },
  )

  test('before its statement for longer than its hold lasts: drops at the end the view that was made meanwhile', async () => {
    const cache = await connect(strategy)
    await start('statement', 'SIGSTOP')
    await expire(cache)
    await expect.poll(() => isStored(cache)).toBe(true)
    expect(await read(cache)).toBe(1n)
    await finish()
    expect([await row(), await read(cache), await read(cache)]).toEqual([7, 7n, 7n])
  })

  test('before its release for longer than its hold lasts, while another writes', async () => {
    const cache = await connect(strategy)
    await start('release', 'SIGSTOP')
    await expire(cache)
    await expect.poll(() => isStored(cache)).toBe(true)
    expect(await read(cache)).toBe(7n)
    await set(cache, 2)
    await finish()
    expect([await row(), await read(cache), await read(cache)]).toEqual([2, 2n, 2n])
  })
})
