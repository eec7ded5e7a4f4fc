/** Holds, and invalidation: no view is made of a row while it changes outside of write-behind. */
import { describe, expect, test } from 'vitest'
import { preparing } from '../../src/database/failure.js'
import { createEvents, type FailureEvent } from '../../src/events.js'
import type { Scope } from '../../src/read/holds.js'
import { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { cache, connection, database, holds, isStored, read, set, snapshots, whileLoading } from './row.js'

const SCOPES: readonly (readonly [string, Scope])[] = [
  ['the record', ['a']],
  ['the model', 'all'],
]

describe.each(SCOPES)('a hold of %s', (_, scope) => {
  test('lasts as long as it is to, though others that are shorter come after it', async () => {
    const long = await holds().hold(scope)
    const short = await holds({ ttl: 50 }).hold(scope)
    await short.release()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await read()
    expect(await isStored()).toBe(false)
    await long.release()
  })

  test('drops the view at its beginning, and lets none be made until its end', async () => {
    await read()
    expect(await isStored()).toBe(true)
    const hold = await holds().hold(scope)
    expect(await isStored()).toBe(false)
    expect(await isStored()).toBe(false)
    await set(2)
    expect(await read()).toBe(2n)
    await hold.release()
    expect(await read()).toBe(2n)
    expect(await isStored()).toBe(true)
  })

  test('keeps a load that began before it from storing what it read, whether that ends under the hold or after it', async () => {
    const { result: hold } = await whileLoading(() => holds().hold(scope))
    expect(await isStored()).toBe(false)
    await hold.release()
    await whileLoading(async () => {
      const next = await holds().hold(scope)
      await set(3)
      await next.release()
    })
    expect(await read()).toBe(3n)
  })

  test('keeps a load that began under it from storing what it read, when it ends after it', async () => {
    const hold = await holds().hold(scope)
    await whileLoading(async () => {
      await set(2)
      await hold.release()
    })
    expect(await read()).toBe(2n)
  })

  test('stays while one of two is not released', async () => {
    const first = await holds().hold(scope)
    const second = await holds().hold(scope)
    await first.release()
    expect([await isStored(), await isStored()]).toEqual([false, false])
    await second.release()
    expect([await isStored(), await isStored()]).toEqual([false, true])
  })

  test('that has expired still drops at its release what was made meanwhile', async () => {
    const hold = await holds({ ttl: 20 }).hold(scope)
    await expect.poll(async () => [await isStored(), await isStored()]).toEqual([true, true])
    await set(2)
    expect(await read()).toBe(1n)
    await hold.release()
    expect(await read()).toBe(2n)
  })

  test('of a holder that died expires, also beside other holds', async () => {
    await holds({ ttl: 2000 }).hold(scope)
    const living = holds({ ttl: 60_000 })
    await (await living.hold(scope)).release()
    expect(await isStored()).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 2100))
    await (await living.hold(scope)).release()
    expect([await isStored(), await isStored()]).toEqual([false, true])
  })

  test('lays over the row what is pending, keeps it, and says which records are dirty', async () => {
    await read()
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    const hold = await holds().hold(scope)
    expect(hold.dirty).toEqual(scope === 'all' ? [] : ['a'])
    expect(await read()).toBe(11n)
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    await set(2)
    expect(await read()).toBe(22n)
    await hold.release()
    expect(await read()).toBe(22n)
    await cache.counter.increment({ name: 'a' }, { value: 10 })
    expect(await isStored()).toBe(true)
    expect(await read()).toBe(32n)
    await cache.flush()
    expect(await read()).toBe(32n)
    expect(await database.query('select value::int from "Counter"')).toEqual([{ value: 32 }])
  })

  test('leaves no view without a TTL behind, whatever is written to dirty records meanwhile', async () => {
    const name = 'a'
    await read()
    await cache.counter.increment({ name }, { value: 1 })
    const hold = await holds().hold(scope)
    await cache.counter.increment({ name }, { value: 1 })
    await cache.counter.delete({ where: { name } })
    expect(await read()).toBeUndefined()
    await cache.counter.increment({ name }, { value: 5 })
    expect(await read()).toBe(5n)
    await hold.release()
    await cache.counter.increment({ name }, { value: 1 })
    expect(await read()).toBe(6n)
    await cache.flush()
    const names = await connection.redis.keys(`{${connection.namespace}/Counter*}/view/*`)
    for (const key of names) expect(await connection.redis.pttl(key)).toBeGreaterThan(0)
    expect(await read()).toBe(6n)
  })

  test('runs a statement, and is released after it, refused or not; one of unknown outcome leaves it to expire', async () => {
    await read()
    expect(await holds().during(scope, async () => 'result')).toBe('result')
    const refused = holds().during(scope, () => database.prisma.$executeRawUnsafe(`insert into "Counter" values ('a', 1)`))
    await expect(refused).rejects.toThrow('23505')
    expect([await isStored(), await isStored()]).toEqual([false, true])
    const lostBefore = holds().during(scope, () => preparing(Promise.reject(new Error('Connection terminated unexpectedly'))))
    await expect(lostBefore).rejects.toThrow('terminated')
    expect([await isStored(), await isStored()]).toEqual([false, true])
    const lost = holds({ ttl: 2000 }).during(scope, () => Promise.reject(new Error('Connection terminated unexpectedly')))
    await expect(lost).rejects.toThrow('terminated')
    expect([await isStored(), await isStored()]).toEqual([false, false])
    await expect.poll(isStored).toBe(true)
  })
})

test('Redis away: a hold fails before the statement, a release reports it and leaves the hold to expire', async () => {
  const redis = connection.redis.duplicate(RetryingConnection.OPTIONS)
  redis.on('error', () => {})
  await redis.connect()
  const events = createEvents()
  const failures: FailureEvent[] = []
  events.on('failure', (failure) => failures.push(failure))
  const away = holds({ redis, events })
  const hold = await away.hold(['a'])
  redis.disconnect()
  await hold.release()
  expect(failures).toMatchObject([{ step: 'release', model: 'Counter', error: { code: 'UNAVAILABLE' } }])
  let ran = false
  const refused = away.during('all', async () => {
    ran = true
  })
  await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(ran).toBe(false)
})

test('a record that is held leaves the views of others alone', async () => {
  await database.query(`insert into "Counter" values ('b', 1)`)
  await cache.counter.findUnique({ where: { name: 'b' } })
  const hold = await holds().hold(['a'])
  const before = snapshots.count
  await cache.counter.findUnique({ where: { name: 'b' } })
  expect(snapshots.count).toBe(before)
  await hold.release()
})

describe('invalidate', () => {
  test('drops the view after somebody else changed the row, and keeps what is pending', async () => {
    await read()
    await set(5)
    expect(await read()).toBe(1n)
    await cache.counter.invalidate({ name: 'a' })
    expect(await read()).toBe(5n)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await set(7)
    await cache.counter.invalidate({ name: 'a' })
    expect(await read()).toBe(8n)
    await cache.flush()
    expect(await database.query('select value::int from "Counter"')).toEqual([{ value: 8 }])
  })

  test('of a dirty record leaves nothing behind that would never expire', async () => {
    await read()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.counter.invalidate({ name: 'a' })
    await cache.counter.set({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await connection.redis.keys(`{${connection.namespace}/Counter*}/view/*`)).toEqual([])
  })

  test('keeps a load that is under way from storing what it read before', async () => {
    const { loaded } = await whileLoading(async () => {
      await set(5)
      await cache.counter.invalidate({ name: 'a' })
    })
    expect(loaded).toBe(1n)
    expect(await read()).toBe(5n)
  })

  test('refuses what is no key', async () => {
    await expect(cache.counter.invalidate({ nam: 'a' } as never)).rejects.toThrow('Counter.nam: expected only the key (name) in where')
  })
})
