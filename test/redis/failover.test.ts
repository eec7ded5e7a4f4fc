/** A replica takes the place of the primary: our connections find it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TcpProxy } from '../chaos/proxy.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { create, failureOf, open, proxyTo, quick, redis, row, server, still } from './connections.js'

describe('a replica is promoted, and the old primary keeps its connections', () => {
  let replica: RedisServer

  beforeEach(async () => {
    replica = await startRedis()
  })

  afterEach(() => replica.stop())

  async function promote(proxy: TcpProxy): Promise<void> {
    const next = open({ port: replica.port })
    await next.replicaof('127.0.0.1', server.port)
    await expect.poll(() => next.info('replication')).toContain('master_link_status:up')
    await next.replicaof('NO', 'ONE')
    proxy.target = replica.port
    await redis.replicaof('127.0.0.1', String(replica.port))
  }

  test('writes, reads, barriers and jobs go on by themselves, on the new one', async () => {
    const proxy = await proxyTo(server.port)
    const own = open({ port: proxy.port })
    const cache = await create(own, quick)
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(() => row('a')).toBe(1n)
    await promote(proxy)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 2n })
    await expect.poll(() => row('a')).toBe(2n)
    await cache.counter.increment({ name: 'b' }, { value: 1 })
    await cache.flush({ model: 'counter', key: { name: 'b' } })
    expect(await row('b')).toBe(1n)
    const queue = open({ port: replica.port })
    await expect.poll(async () => Number(await queue.zcard('{write-behind}:queues:write-behind.Counter:completed'))).toBeGreaterThan(0)
  })

  test('a barrier of one record does not take the word of a replica, which may lag behind', async () => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still)
    await cache.flush()
    await promote(proxy)
    // The old primary does not hear of the write.
    await redis.replicaof('127.0.0.1', '1')
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush({ model: 'counter', key: { name: 'a' } })
    expect(await row('a')).toBe(1n)
  })

  test('a primary that is cut off from its replicas, and takes no writes for it, is left as well', async () => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still)
    await redis.config('SET', 'min-replicas-to-write', 1)
    proxy.target = replica.port
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(await row('a')).toBe(1n)
  })

  test('nothing is written to a replica that takes writes, which it would lose', async () => {
    await redis.config('SET', 'replica-read-only', 'no')
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still)
    await promote(proxy)
    proxy.cut()
    proxy.target = server.port
    const failure = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    proxy.target = replica.port
    expect(await failure).toBeUndefined()
    await cache.flush()
    expect(await row('a')).toBe(1n)
  })
})
