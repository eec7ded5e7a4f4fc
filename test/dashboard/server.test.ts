import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { Dashboard } from '../../dashboard/server.js'
import { ConfigurationError } from '../../src/index.js'
import { startRedis } from '../environment/redis.js'
import { CREDENTIALS, ending, send, startCache, startDashboard, useDashboards } from './stage.js'

useDashboards()

test('the status of a closed cache says what is wrong', async () => {
  const { cache } = await startCache()
  const url = await startDashboard({ cache })
  expect((await send(`${url}/status`)).status).toBe(200)
  await cache.close()
  const { status, body } = await send(`${url}/status`)
  expect([status, JSON.parse(body)]).toEqual([503, { problem: 'the cache is closed' }])
})

test('a request that waits for Redis is answered when Redis goes away', async () => {
  const server = await startRedis()
  ending.push(() => server.stop())
  const { cache } = await startCache({ redis: new Redis(server.url, { lazyConnect: true }) })
  const url = await startDashboard({ cache })
  expect((await send(`${url}/queues/api/queues`)).status).toBe(200)
  await server.kill('SIGSTOP')
  const waiting = send(`${url}/queues/api/queues`)
  await setTimeout(500)
  await server.kill('SIGKILL')
  expect(await waiting).toMatchObject({ status: 503, body: expect.stringContaining('/status') })
})

describe('access', () => {
  test('an address that is not loopback is refused without credentials, and with ones that protect nothing', async () => {
    const { cache } = await startCache()
    for (const host of ['0.0.0.0', '::', '10.1.2.3', 'dashboard.example', '']) {
      expect(() => new Dashboard({ cache, host })).toThrow(ConfigurationError)
      expect(() => new Dashboard({ cache, host })).toThrow(`got host "${host}" without credentials`)
      expect(() => new Dashboard({ cache, host, credentials: { user: 'operator', password: '' } })).toThrow('expected a password')
      expect(() => new Dashboard({ cache, host, credentials: { user: 'a:b', password: 'secret' } })).toThrow('expected a name without ":"')
      const unset = process.env.NO_SUCH_VARIABLE as string
      expect(() => new Dashboard({ cache, host, credentials: { user: unset, password: 'secret' } })).toThrow('expected a name')
      expect(() => new Dashboard({ cache, host, credentials: { user: 'operator', password: unset } })).toThrow('expected a password')
      expect(new Dashboard({ cache, host, credentials: CREDENTIALS })).toBeInstanceOf(Dashboard)
    }
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(new Dashboard({ cache, host })).toBeInstanceOf(Dashboard)
  })

  test('an unknown option is refused, because it may be the misspelled credentials', () => {
    const cache = { queues: [], status: async () => [], parked: async () => [] }
    expect(() => new Dashboard({ cache, port: 0, credential: CREDENTIALS } as never)).toThrow(
      new ConfigurationError('dashboard: expected only cache, host, port and credentials, got credential'),
    )
  })

  test('credentials are asked for on every page, and must be the right ones', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache, credentials: CREDENTIALS })
    const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
    for (const path of ['/', '/queues', '/queues/api/queues', '/status', '/queues/static/favicon.ico', '/nowhere']) {
      expect(await send(url + path)).toMatchObject({ status: 401, headers: { 'www-authenticate': expect.stringMatching(/^Basic realm=/) } })
      for (const pair of ['operator:wrong', 'nobody:pass:word', 'operator:pass', '', 'operator:pass:word2']) {
        expect((await send(url + path, { headers: basic(pair) })).status).toBe(401)
      }
      expect(
        (await send(url + path, { headers: { authorization: basic('operator:pass:word').authorization.replace('Basic', 'Bearer') } }))
          .status,
      ).toBe(401)
    }
    expect((await send(`${url}/queues`, { headers: basic('operator:pass:word') })).status).toBe(200)
    expect((await send(url, { headers: basic('operator:pass:word') })).headers.location).toBe('/queues')
  })

  test('a change is refused when a page that is not the dashboard asks for it', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache })
    const pause = (headers: Record<string, string>) => send(`${url}/queues/api/queues/pause`, { method: 'PUT', headers })
    const paused = () => Promise.all(cache.queues.map((queue) => queue.isPaused()))

    for (const foreign of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: url.replace(/\d+$/, '1') },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: url },
    ] as Record<string, string>[]) {
      expect((await pause(foreign)).status).toBe(403)
    }
    expect(await paused()).toEqual([false, false, false])

    expect((await pause({ 'sec-fetch-site': 'same-origin', origin: url })).status).toBe(200)
    expect(await paused()).toEqual([true, true, true])
    for (const own of [{ origin: url }, {}])
      expect((await send(`${url}/queues/api/queues/resume`, { method: 'PUT', headers: own })).status).toBe(200)
    expect(await paused()).toEqual([false, false, false])
    expect((await send(`${url}/queues`, { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(200)
  })

  test('on loopback, a name that is not of this machine is refused, and no page may frame the board', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache })
    for (const host of ['evil.example', 'localhost.evil.example', '10.1.2.3:3000', '[::2]']) {
      expect((await send(`${url}/queues`, { headers: { host } })).status).toBe(421)
    }
    for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1:3000', '[::1]:3000']) {
      const { status, headers } = await send(`${url}/queues`, { headers: { host } })
      expect(status).toBe(200)
      expect(headers['content-security-policy']).toContain(`frame-ancestors 'none'`)
    }
  })
})

describe('the server', () => {
  test('starts and stops as often as it is told to', async () => {
    const { cache } = await startCache()
    const dashboard = new Dashboard({ cache, port: 0 })
    await dashboard.stop()
    const [url, again] = await Promise.all([dashboard.start(), dashboard.start()])
    expect(again).toBe(url)
    expect((await send(url)).headers.location).toBe('/queues')
    await Promise.all([dashboard.stop(), dashboard.stop()])
    await expect(send(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })

    const taken = await startDashboard({ cache })
    const port = Number(new URL(taken).port)
    const other = new Dashboard({ cache, port })
    await expect(other.start()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(other.start()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await other.stop()
  })

  test.each(['clean/delayed', 'empty', 'pause, obliterate'])('nothing is lost by %s, as the board says', async (actions) => {
    const { cache, database } = await startCache({ pageView: { debounce: 300, maxWait: 300 }, sweepInterval: 50 })
    await cache.startWorker()
    const url = await startDashboard({ cache })
    await cache.pageView.increment({ path: '/kept' }, { views: 5 })
    await expect.poll(() => cache.queues[2]?.getDelayedCount()).toBe(1)
    for (const action of actions.split(', ')) {
      const { status } = await send(`${url}/queues/api/queues/${cache.queues[2]?.name}/${action}`, { method: 'PUT' })
      expect(status).toBe(200)
    }
    await expect.poll(() => database.query('select views from page_views')).toEqual([{ views: '5' }])
    await cache.pageView.increment({ path: '/kept' }, { views: 1 })
    await expect.poll(() => database.query('select views from page_views')).toEqual([{ views: '6' }])
  })
})
