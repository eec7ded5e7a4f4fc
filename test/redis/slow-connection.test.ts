import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Random } from '../chaos/random.js'
import { type Caches, create, failureOf, open, opened, proxyTo, server, still } from './connections.js'

/** Passes on so many bytes a second, in one direction. */
async function throttle(target: number, rate: number, slow: 'request' | 'reply'): Promise<number> {
  const sockets: Socket[] = []
  const pump = (from: Socket, to: Socket, isSlow: boolean) => {
    sockets.push(from)
    from.on('error', () => {})
    from.on('close', () => to.destroy())
    from.on('data', (chunk: Buffer) => {
      to.write(chunk)
      if (!isSlow) return
      from.pause()
      setTimeout(() => from.resume(), (chunk.length / rate) * 1000)
    })
  }
  const proxy = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    pump(client, upstream, slow === 'request')
    pump(upstream, client, slow === 'reply')
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  opened.push({
    close: async () => {
      proxy.close()
      for (const socket of sockets) socket.destroy()
    },
  })
  return (proxy.address() as AddressInfo).port
}

describe('a slow way to Redis', () => {
  const where = { id: 'large' }
  const body = { text: 'x'.repeat(5 * 2 ** 20) }
  const large = { ...still, maxRecordSize: 2 ** 23 }
  const write = (cache: Caches) => cache.document.upsert({ where, create: { title: 't', body }, update: { body } })

  test('takes a large write for as long as its bytes move, and it is stored once', async () => {
    const cache = await create(open({ port: await throttle(server.port, 2 ** 19, 'request') }), large, { writeTimeout: 6000 })
    await write(cache)
    const direct = await create(open({ port: server.port }), large)
    expect(await direct.status()).toMatchObject([{}, { writes: 1, dirty: 1 }])
  })

  test('brings a large row for as long as its bytes move', async () => {
    const direct = await create(open({ port: server.port }), large)
    await write(direct)
    const cache = await create(open({ port: await throttle(server.port, 2 ** 19, 'reply') }), large, { writeTimeout: 6000 })
    expect(await cache.document.findUnique({ where })).toMatchObject({ body })
  })

  test('that passes nothing on is given up, whatever else is sent meanwhile', async () => {
    const proxy = await proxyTo(server.port)
    const cache = await create(open({ port: proxy.port }), still, { writeTimeout: 6000 })
    proxy.halfOpen('request', 1, new Random(1))
    const reads = setInterval(() => void cache.counter.findUnique({ where: { name: 'b' } }).catch(() => {}), 100)
    const writing = failureOf(cache.counter.increment({ name: 'a' }, { value: 1 }))
    expect(await writing).toBeUndefined()
    clearInterval(reads)
  })
})
