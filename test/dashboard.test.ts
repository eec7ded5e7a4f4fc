/** Flushes as an operator sees them, in a real browser; and who is let in. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { appRoutes } from '@bull-board/api/dist/routes.js'
import type { Queue } from 'bullmq'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { SERVED } from '../dashboard/routes.js'
import { Dashboard, type DashboardOptions } from '../dashboard/server.js'
import { models } from '../generated/write-behind.js'
import { ConfigurationError, createWriteBehind, type Options, type Policy } from '../src/index.js'
import { startChromium } from './environment/chromium.js'
import { startRedis } from './environment/redis.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

/** The board asks for news every 5 s. */
const ACTION_TIMEOUT = 30_000
const SERVICE_TIMEOUT = 60_000
const CREDENTIALS = { user: 'operator', password: 'pass:word' }
const NEVER = 3_600_000

/** What a test started, in the order to end it. */
let ending: (() => Promise<unknown>)[] = []

afterEach(async () => {
  const steps = ending.reverse()
  ending = []
  for (const step of steps) await step()
})

/** A cache on a database of its own. Without a policy of `options`, nothing but the job itself brings a change to the database. */
async function startCache({ database, ...options }: { database?: TestDatabase; pageView?: Policy } & Options = {}) {
  const own = database ?? (await createDatabase())
  if (database === undefined) ending.push(() => own.drop())
  const { redis, namespace, clean } = createRedis()
  ending.push(clean)
  const { pageView = { debounce: NEVER, maxWait: NEVER }, ...rest } = options
  const atOnce = { debounce: 0, maxWait: 1, shards: 1, attempts: 1, backoff: 10 }
  const policies = { counter: atOnce, reading: atOnce, pageView }
  const cache = await createWriteBehind({ prisma: own.prisma, redis, models, policies, namespace, sweepInterval: NEVER, ...rest })
  ending.push(() => cache.close({ deadline: 100 }))
  return { cache, database: own, namespace }
}

async function startDashboard(options: DashboardOptions): Promise<string> {
  const dashboard = new Dashboard({ port: 0, ...options })
  ending.push(() => dashboard.stop())
  return dashboard.start()
}

test('a Chromium that is not where it is said to be fails the tests, and does not skip them', async () => {
  vi.stubEnv('CHROMIUM_PATH', '/nowhere/chromium')
  ending.push(async () => vi.unstubAllEnvs())
  await expect(startChromium()).rejects.toThrow('CHROMIUM_PATH: expected an executable file, got "/nowhere/chromium"')
})

describe('in the browser', () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await startChromium()
  })
  afterAll(() => browser?.close())

  /** Fails the test at its end when the page had asked anybody but the dashboard for anything. */
  async function open(url: string): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1500, height: 900 } })
    page.setDefaultTimeout(ACTION_TIMEOUT)
    const foreign: string[] = []
    const isForeign = (address: string) => new URL(address).host !== new URL(url).host
    page.on('requestfinished', (asked) => void (isForeign(asked.url()) && foreign.push(asked.url())))
    page.on('requestfailed', (asked) => void (isForeign(asked.url()) && asked.failure()?.errorText !== 'csp' && foreign.push(asked.url())))
    ending.push(async () => {
      await page.close()
      expect(foreign).toEqual([])
    })
    await page.goto(url)
    return page
  }

  test('a delayed, an active and a completed flush are seen', async () => {
    const { cache, database } = await startCache()
    await cache.startWorker()
    const page = await open(await startDashboard({ cache }))

    await cache.pageView.increment({ path: '/late' }, { views: 1 })
    await openQueue(page, 'PageView', 'Delayed')
    await expect.poll(() => job(page, /^flush PageView shard \d$/).textContent()).toMatch(/Added at.*Will run at/)

    await database.query('begin')
    await database.query('lock table "Counter" in exclusive mode')
    await cache.counter.increment({ name: 'held' }, { value: 3 })
    await openQueue(page, 'Counter', 'Active')
    await expect.poll(() => job(page, 'flush Counter shard 0').textContent()).toContain('Process started at')

    await database.query('commit')
    await expect.poll(() => database.query('select value from "Counter"')).toEqual([{ value: '3' }])
    await openQueue(page, 'Counter', 'Completed')
    const completed = job(page, 'flush Counter shard 0')
    await expect.poll(() => completed.textContent()).toMatch(/Finished at/)
    await completed.getByRole('tab', { name: 'Logs' }).click()
    await completed.getByText(/1 records? in 1 batch/).waitFor()
  })

  test('a failed flush says what is wrong, is retried by a click, and its row is then in the database', async () => {
    const { cache, database } = await startCache()
    await cache.startWorker()
    const page = await open(await startDashboard({ cache }))

    await database.query('alter table "Counter" rename to "Elsewhere"')
    await cache.counter.increment({ name: 'visitors' }, { value: 7 })
    await openQueue(page, 'Counter', 'Failed')
    const failed = job(page, 'flush Counter shard 0')
    await failed.getByText('42P01').waitFor()

    await database.query('alter table "Elsewhere" rename to "Counter"')
    await retry(failed)
    await expect.poll(() => database.query('select name, value from "Counter"')).toEqual([{ name: 'visitors', value: '7' }])
    await openQueue(page, 'Counter', 'Completed')
    await job(page, 'flush Counter shard 0').waitFor()
    expect(await cache.status()).toContainEqual(expect.objectContaining({ model: 'Counter', dirty: 0, rows: 1 }))
  })

  test('a parked record is listed with the reason, is retried by a click, and is then in the database', async () => {
    const { cache, database } = await startCache()
    await cache.startWorker()
    const url = await startDashboard({ cache })
    const page = await open(url)

    await database.query('alter table "Reading" add constraint plausible check (value < 100)')
    const where = { device_metric: { device: 'boiler', metric: 'celsius' } }
    const change = { value: 451, at: new Date() }
    await cache.reading.upsert({ where, create: { ...where.device_metric, ...change }, update: change })
    await openQueue(page, 'Reading', 'Failed')
    const failed = job(page, 'retry parked Reading boiler:celsius')
    await failed.getByText('(23514, constraint plausible)').waitFor()
    expect(await failed.textContent()).not.toContain('451')
    expect(JSON.parse((await send(`${url}/status`)).body)).toMatchObject({ parked: [{ model: 'Reading', key: 'boiler:celsius' }] })

    await database.query('alter table "Reading" drop constraint plausible')
    await retry(failed)
    await expect.poll(() => database.query('select device, value from "Reading"')).toEqual([{ device: 'boiler', value: 451 }])
    expect(await cache.parked()).toEqual([])
  })

  test('the board works with credentials on an address that is not loopback', async () => {
    const { cache, namespace } = await startCache()
    const url = new URL(await startDashboard({ cache, host: '0.0.0.0', credentials: CREDENTIALS }))
    url.hostname = '127.0.0.1'
    const context = await browser.newContext({ httpCredentials: { username: CREDENTIALS.user, password: CREDENTIALS.password } })
    ending.push(() => context.close())
    const page = await context.newPage()
    await page.goto(url.href)
    expect(await page.title()).toBe('write-behind')
    await page.getByRole('main').getByRole('link', { name: 'Counter' }).click()
    expect(page.url()).toContain(`${namespace}.Counter`)
    await page.getByText('Jobs hold no data').waitFor()
  })

  async function openQueue(page: Page, model: string, state: 'Active' | 'Completed' | 'Delayed' | 'Failed'): Promise<void> {
    await page.getByRole('banner').getByRole('link').first().click()
    await page.getByRole('main').getByTitle(model, { exact: true }).click()
    await page.getByRole('heading', { name: model }).waitFor()
    await page
      .getByRole('main')
      .getByRole('link', { name: new RegExp(`^${state}\\s*\\d*$`, 'i') })
      .click()
  }

  function job(page: Page, name: string | RegExp): Locator {
    // The card is the nearest element around the name that has the tabs, too.
    return page.getByText(name, { exact: true }).locator('xpath=ancestor::*[.//*[@role="tab"]][1]')
  }

  async function retry(card: Locator): Promise<void> {
    const button = card.getByRole('listitem').getByRole('button').first()
    await button.hover()
    await card.page().getByText('Retry', { exact: true }).waitFor()
    await button.click()
    await card.page().getByRole('button', { name: 'Confirm' }).click()
  }
})

test('the status says what is wrong when there is none', async () => {
  const { cache } = await startCache()
  const url = await startDashboard({ cache })
  expect((await send(`${url}/status`)).status).toBe(200)
  await cache.close()
  const { status, body } = await send(`${url}/status`)
  expect([status, JSON.parse(body)]).toEqual([503, { problem: 'the cache is closed' }])
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

  test('an unknown option is refused, which may be a misspelled one of the credentials', () => {
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

describe('what is served of the board', () => {
  const JOB = { kind: 'shard', model: 'Counter', shard: 0 }
  /** Of all that Bull Board has, what must not pass. */
  const REFUSED: Record<string, readonly string[]> = {
    post: ['/api/queues/:queueName/add'],
    patch: [
      '/api/queues/:queueName/:jobId/update-data',
      '/api/queues/:queueName/:jobId/delay',
      '/api/queues/:queueName/:jobId/priority',
      '/api/queues/:queueName/job-schedulers/:schedulerId',
    ],
    put: [
      '/api/queues/:queueName/concurrency',
      '/api/queues/:queueName/rate-limit',
      '/api/queues/:queueName/rate-limit/release',
      '/api/queues/:queueName/job-schedulers/:schedulerId/remove',
      '/api/queues/:queueName/job-schedulers/:schedulerId/run',
      '/api/queues/:queueName/:jobId/remove-unprocessed-children',
    ],
  }

  test('each route that Bull Board has is decided on', () => {
    const named = (route: string) => route.replace(/:\w+/g, ':')
    const routes = appRoutes.api.flatMap(({ method, route }) => [route].flat().map((each) => `${method} ${named(each)}`))
    const served = Object.entries(SERVED).flatMap(([method, each]) => each.map((route) => `${method.toLowerCase()} ${named(route)}`))
    const refused = Object.entries(REFUSED).flatMap(([method, each]) => each.map((route) => `${method} ${named(route)}`))
    expect(routes.filter((route) => !served.includes(route)).sort()).toEqual(refused.sort())
  })

  test('nothing passes that adds jobs, changes them, or sets limits', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache })
    const queue = cache.queues.find(({ name }) => name.endsWith('.Counter')) as Queue
    const job = await queue.add('ours', JOB, { delay: NEVER, jobId: 'ours' })
    const body = JSON.stringify({
      name: 'crafted',
      data: JOB,
      options: { jobId: 'wait' },
      jobData: {},
      delay: 1,
      priority: 1,
      concurrency: 0,
      max: 1,
      duration: NEVER,
    })
    const spellings = (path: string) => [
      path,
      path.toUpperCase().replace(/OURS/g, 'ours'),
      `${path}/`,
      path.replace('/api', '//api'),
      path.replace('/add', '/%61dd'),
      `/.${path}`,
    ]
    for (const [method, routes] of Object.entries(REFUSED)) {
      for (const route of routes) {
        const path = route.replace(':queueName', queue.name).replace(/:\w+/, 'ours')
        for (const each of spellings(path)) {
          const answer = await send(`${url}/queues${each}`, {
            method: method.toUpperCase(),
            headers: { 'content-type': 'application/json' },
            body,
          })
          expect([each, answer.status]).toEqual([each, 403])
        }
      }
    }
    for (const method of ['POST', 'PATCH', 'DELETE', 'PROPFIND'])
      expect((await send(`${url}/queues/api/queues`, { method })).status).toBe(403)
    expect(await queue.getJobCounts()).toMatchObject({ delayed: 1, waiting: 0, active: 0, failed: 0 })
    expect(await queue.getJob('ours')).toMatchObject({ data: job.data, priority: 0 })
    expect(await cache.status()).toContainEqual(expect.objectContaining({ model: 'Counter', queue: 'running' }))
  })

  test('the status says that a queue is paused', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache })
    await send(`${url}/queues/api/queues/pause`, { method: 'PUT' })
    const { models } = JSON.parse((await send(`${url}/status`)).body)
    expect(models).toContainEqual(expect.objectContaining({ model: 'Counter', queue: 'paused' }))
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

describe('npm start', () => {
  test.each([
    [{ REDIS_URL: '' }, 'REDIS_URL: expected a URL like redis://127.0.0.1:6379, got none'],
    [{ DATABASE_URL: '' }, 'DATABASE_URL: expected a URL like postgresql://user:password@127.0.0.1:5432/database, got none'],
    [{ PORT: 'http' }, 'PORT: expected a number below 65536, got "http"'],
    [{ HOST: '0.0.0.0' }, 'expected credentials with a host that is not loopback'],
  ])('with %j it says what is wrong and ends', async (environment, message) => {
    const { namespace, clean } = createRedis()
    ending.push(clean)
    const service = startService({ NAMESPACE: namespace, PORT: '0', ...environment })
    await expect(service.line(message)).resolves.toContain(message)
    expect(await service.exit).toBe(1)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('runs worker and dashboard, and on %s flushes and ends with 0', async (signal) => {
    const database = await createDatabase()
    ending.push(() => database.drop())
    const { redis, namespace, clean } = createRedis()
    ending.push(clean)
    const service = startService({ NAMESPACE: namespace, DATABASE_URL: database.url, PORT: '0' })
    const [url = ''] = /http:\S+/.exec(await service.line('the dashboard is at')) ?? []

    const policies = { counter: { debounce: 10 }, pageView: { debounce: NEVER, maxWait: NEVER } }
    const application = await createWriteBehind({ prisma: database.prisma, redis, models, policies, namespace })
    await application.counter.increment({ name: 'seen' }, { value: 1 })
    await expect.poll(() => database.query('select value from "Counter"')).toEqual([{ value: '1' }])
    expect((await send(`${url}/queues`)).status).toBe(200)
    expect(JSON.parse((await send(`${url}/status`)).body).models).toHaveLength(Object.keys(models).length)

    await application.pageView.increment({ path: '/late' }, { views: 2 })
    service.kill(signal)
    service.kill(signal)
    expect(await service.line('stopped')).toContain('stopped after it flushed 1 record(s); 0 record(s) stay dirty')
    expect(await service.exit).toBe(0)
    expect(await database.query('select views from page_views')).toEqual([{ views: '2' }])
    await application.close()
  })

  test('ends, whatever server hangs or has gone', async () => {
    const database = await createDatabase()
    ending.push(() => database.drop())
    const redis = await startRedis()
    ending.push(() => redis.stop())
    const { namespace, clean } = createRedis()
    ending.push(clean)
    const withoutRedis = startService({ REDIS_URL: redis.url, DATABASE_URL: database.url, PORT: '0' })
    const withoutTable = startService({ NAMESPACE: namespace, DATABASE_URL: database.url, PORT: '0' })
    const [url = ''] = /http:\S+/.exec(await withoutRedis.line('the dashboard is at')) ?? []
    await withoutTable.line('the dashboard is at')

    await redis.kill('SIGKILL')
    await expect.poll(() => send(`${url}/queues/api/queues`)).toMatchObject({ status: 503, body: expect.stringContaining('/status') })
    const application = await createWriteBehind({
      prisma: database.prisma,
      redis: createRedis().redis,
      models,
      policies: { counter: {} },
      namespace,
    })
    await database.query('begin')
    await database.query('lock table "Counter" in exclusive mode')
    await application.counter.increment({ name: 'held' }, { value: 1 })
    await application.close({ deadline: 0 })
    withoutRedis.kill('SIGTERM')
    expect(await withoutRedis.line('stopped')).toContain('Redis did not say how many records stay dirty')
    expect(await withoutRedis.exit).toBe(0)
    // Alone, since Redis has but a second to say what is left.
    withoutTable.kill('SIGTERM')
    expect(await withoutTable.line('stopped')).toContain('stopped after it flushed 0 record(s); 1 record(s) stay dirty')
    expect(await withoutTable.exit).toBe(0)
    await database.query('rollback')
  })

  function startService(environment: NodeJS.ProcessEnv) {
    const given = { REDIS_URL: inject('redisUrl'), DATABASE_URL: inject('databaseUrl'), HOST: '', ...environment }
    const child = spawn(process.execPath, ['--import', 'tsx', 'dashboard/main.ts'], {
      env: { ...process.env, DASHBOARD_USER: '', DASHBOARD_PASSWORD: '', ...given },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    const exit = once(child, 'exit').then(([code]) => code as number | null)
    ending.push(async () => {
      child.kill('SIGKILL')
      await exit
    })
    const lines: string[] = []
    createInterface(child.stderr).on('line', (line) => lines.push(line))
    const find = (part: string): string => {
      const line = lines.find((each) => each.includes(part))
      if (line === undefined) throw new Error(`expected a line with "${part}", got:\n${lines.join('\n')}`)
      return line
    }
    return {
      exit,
      kill: (signal: NodeJS.Signals) => child.kill(signal),
      /** The line of stderr that contains this, when it comes. */
      line: (part: string) => vi.waitFor(() => find(part), { timeout: SERVICE_TIMEOUT }),
    }
  }
})

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Unlike fetch, sends the headers that it is told to, `Host` and `Sec-Fetch-Site` too. */
async function send(url: string, options: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<Answer> {
  const call = request(url, { agent: false, ...options }).end(options.body)
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
