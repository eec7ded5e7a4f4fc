import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { WriteBehindError } from '../../src/index.js'
import { type Caches, create, failureOf, open, opened, redis, server, still, useConnections } from './connections.js'

useConnections()

describe('an error of Redis', () => {
  async function restricted(rules: string[]): Promise<Caches> {
    await redis.acl('SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all')
    const cache = await create(open({ port: server.port, username: 'app', password: 'secret' }), still, { writeTimeout: 3000 })
    await cache.counter.increment({ name: 'before' }, { value: 1 })
    await redis.acl('SETUSER', 'app', ...rules)
    return cache
  }

  test('before the script began says that nothing was stored, and why', async () => {
    const cache = await restricted(['-evalsha', '-eval'])
    const write = await failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    expect(write).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'Counter: Redis is not available: NOPERM: the user lacks a right in Redis that the call needs',
    })
    const calls: (() => Promise<unknown>)[] = [
      () => cache.flush(),
      () => cache.flush({ model: 'counter', key: { name: 'before' } }),
      () => cache.status(),
      () => cache.counter.findUnique({ where: { name: 'a' } }),
      () => cache.counter.isPersisted({ name: 'a' }),
      () => cache.counter.pending({ name: 'a' }),
      () => cache.counter.invalidate({ name: 'a' }),
    ]
    for (const call of calls) {
      const failure = await failureOf(call())
      expect(failure).toBeInstanceOf(WriteBehindError)
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('NOPERM: the user lacks a right') })
    }
    await redis.acl('SETUSER', 'app', '+@all')
  })

  test('of a command outside of scripts is named as well', async () => {
    const cache = await restricted(['-hgetall', '-time'])
    const named = { code: 'UNAVAILABLE', message: expect.stringContaining('NOPERM') }
    for (const call of [() => cache.flush(), () => cache.status(), () => cache.parked()])
      expect(await failureOf(call())).toMatchObject(named)
    await redis.acl('SETUSER', 'app', '+@all')
  })

  test('within the script that writes leaves it open what was stored, and says so', async () => {
    const cache = await restricted(['-zadd'])
    expect(await failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringMatching(
        /the user lacks a right in Redis that the call needs; it was refused within a script, which may have done a part/,
      ),
    })
    await redis.acl('SETUSER', 'app', '+@all')
  })

  test('of a key that holds something else is named', async () => {
    const cache = await create(open({ port: server.port }), still)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    for (const key of await redis.keys('*:dirty')) await redis.set(key, 'text')
    for (const key of await redis.keys('*dirty')) await redis.set(key, 'text')
    const failure = await failureOf(cache.flush())
    expect(failure).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('WRONGTYPE: a key holds a value that this library did not store'),
    })
    for (const key of await redis.keys('*dirty')) await redis.del(key)
  })

  test('that turns connections away is the reason that is given', async () => {
    const cache = await create(open({ port: server.port }), still, { writeTimeout: 2000 })
    const first = open({ port: server.port, lazyConnect: true })
    await redis.config('SET', 'maxclients', 1)
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const reason = expect.stringContaining('max number of clients reached')
    await expect
      .poll(() => failureOf(cache.counter.increment({ name: 'a' }, { value: 1 })))
      .toMatchObject({ code: 'UNAVAILABLE', message: reason })
    await expect.poll(() => failureOf(cache.flush({ timeout: 1000 }))).toMatchObject({ code: 'TIMEOUT', message: reason })
    expect(await failureOf(cache.status())).toMatchObject({ code: 'UNAVAILABLE', message: reason })
    expect(await failureOf(cache.startWorker())).toMatchObject({ code: 'UNAVAILABLE', message: reason })
    expect(await failureOf(create(first, still))).toMatchObject({ code: 'UNAVAILABLE', message: reason })
    await redis.config('SET', 'maxclients', 1000)
  })

  test('that turns the first connection away is the reason that is given, whatever else comes of it', async () => {
    const silent = createServer((socket) => void socket.resume().once('data', () => socket.end()))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    opened.push({ close: async () => void silent.close() })
    const { port } = silent.address() as AddressInfo
    const failure = await failureOf(create(open({ port, lazyConnect: true }), still))
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('max number of clients reached') })
  })

  test('that passes by itself is waited for once', async () => {
    const cache = await create(open({ port: server.port }), still, { writeTimeout: 4000 })
    await redis.config('SET', 'min-replicas-to-write', 1)
    const ended: string[] = []
    const write = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 })).then((error) => ended.push('write') && error)
    const later = failureOf(cache.counter.findUnique({ where: { name: 'a' } }))
      .then(() => setTimeout(1000))
      .then(() => ended.push('later'))
    expect(await write).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('NOREPLICAS') })
    await later
    expect(ended).toEqual(['write', 'later'])
    await redis.config('SET', 'min-replicas-to-write', 0)
  })

  test('is the reason that is given, even if the connection is lost afterwards', async () => {
    const cache = await create(open({ port: server.port }), still, { writeTimeout: 2000 })
    await redis.config('SET', 'min-replicas-to-write', 1)
    const write = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    await setTimeout(1000)
    const kill = setInterval(() => void redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'), 5)
    const failure = await write
    clearInterval(kill)
    await redis.config('SET', 'min-replicas-to-write', 0)
    expect(failure).toBeInstanceOf(WriteBehindError)
    expect(failure?.message).toContain('NOREPLICAS')
  })

  test('that refuses the password is named, and does not tell it', async () => {
    const failure = await failureOf(create(open({ port: server.port, username: 'app', password: 'a secret', lazyConnect: true }), still))
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('WRONGPASS') })
    expect(failure?.message).not.toContain('secret')
  })
})
