/** Write-through and write-around: what a call does, and what it says when something is away. */
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FailureEvent } from '../../src/events.js'
import { startRedis } from '../environment/redis.js'
import { type Caches, connect, DIRECT, database, isStored, isWrite, read, row, set, statements, where } from './direct.js'

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
    statements.around = (sql, send) => (isWrite(sql) ? Promise.reject(new Error('connect ECONNREFUSED')) : send())
    await expect(set(cache, 2)).rejects.toMatchObject({ name: 'PersistError', code: 'OUTAGE' })
    statements.around = (_, send) => send()
    expect(await cache.flush()).toEqual({ records: 0 })
    expect([await row(), await read(cache)]).toEqual([1, 1n])
  })

  test('whose statement is committed though its reply was lost: fails, and no read sees the row as it was before', async () => {
    const cache = await connect(strategy)
    await read(cache)
    statements.around = async (sql, send) => {
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
    statements.around = (sql, send) => {
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
    statements.around = (sql, send) => {
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
    statements.around = async (sql, send) => {
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
  expect(statements.snapshots).toBe(1)
})
