/** Processes that live shortly or sleep: a writer without workers, a drain that a schedule calls, a process that is frozen. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { Counters, still } from './counters.js'
import type { ChildArguments, Report } from './serverless/child.js'

/** Ms of the freeze: longer than the child waits for an answer, and than a connection may be silent. */
const FREEZE = 4000

const counters = new Counters()
const { connect, values } = counters

/** The ids of the connections that have this name. */
async function clientsOf(name: string): Promise<string[]> {
  const clients = ((await counters.connection.redis.client('LIST')) as string).split('\n')
  return clients.filter((client) => client.includes(`name=${name} `)).map((client) => /\bid=(\d+)/.exec(client)?.[1] as string)
}

describe('a process with the role of a writer', () => {
  test('has two connections to Redis, whatever it does', async () => {
    const connectionName = counters.connection.namespace
    const redis = new Redis(inject('redisUrl'), { connectionName, lazyConnect: true })
    const cache = await connect({ counter: still, pageView: still }, { role: 'writer', redis })
    await Promise.all(['a', 'b', 'c'].map((name) => cache.counter.increment({ name }, { value: 1 })))
    await cache.pageView.increment({ path: '/' }, { views: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toMatchObject({ value: 1n })
    expect(await cache.flush()).toEqual({ records: 4 })
    expect(await clientsOf(connectionName)).toHaveLength(2)
  })

  test('leaves no timer that keeps the process alive', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const cache = await connect({ counter: still }, { role: 'writer' })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await expect.poll(timers).toBeLessThanOrEqual(before)
  })

  test('starts no worker', async () => {
    const cache = await connect({ counter: still }, { role: 'writer' })
    await expect(cache.startWorker()).rejects.toMatchObject({ code: 'CONFIGURATION', message: expect.stringContaining('"writer"') })
  })
})

describe('a drain', () => {
  test('flushes everything, also what another process wrote, and says so', async () => {
    const other = await connect({ counter: still })
    const cache = await connect({ counter: still }, { role: 'writer' })
    await other.counter.increment({ name: 'a' }, { value: 2 })
    expect(await cache.drain()).toEqual({ flushed: 1, dirty: 0, parked: 0, error: undefined })
    expect(await values()).toEqual([{ name: 'a', value: '2' }])
    expect(await cache.drain({ timeout: 0 })).toMatchObject({ flushed: 0, dirty: 0 })
  })

  test('reports what the database refuses, instead of throwing', async () => {
    const cache = await connect({ counter: still }, { role: 'writer' })
    await counters.database.query('alter table "Counter" add constraint small check (value < 10)')
    await Promise.all([cache.counter.increment({ name: 'a' }, { value: 1 }), cache.counter.increment({ name: 'b' }, { value: 99 })])
    expect(await cache.drain()).toMatchObject({ flushed: 1, dirty: 1, parked: 1, error: { code: 'PARKED' } })
  })

  test('reports that its time is up', async () => {
    const cache = await connect({ counter: still }, { role: 'writer' })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    counters.gate.close()
    expect(await cache.drain({ timeout: 200 })).toMatchObject({ flushed: 0, dirty: 1, error: { code: 'TIMEOUT' } })
  })

  test.each([{ timeout: -1 }, { timeout: '1' }, { deadline: 1 }, 5])('refuses %j', async (options) => {
    const cache = await connect({ counter: still }, { role: 'writer' })
    await expect(cache.drain(options as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('a process that is frozen and thawed', () => {
  let child: ChildProcess
  let lines: AsyncIterator<string>

  afterEach(() => {
    child.kill('SIGKILL')
  })

  async function start(): Promise<void> {
    const args: ChildArguments = {
      redisUrl: inject('redisUrl'),
      databaseUrl: counters.database.url,
      namespace: counters.connection.namespace,
    }
    const path = fileURLToPath(new URL('./serverless/child.ts', import.meta.url))
    child = spawn(process.execPath, ['--import', 'tsx', path, JSON.stringify(args)], { stdio: ['pipe', 'pipe', 'inherit'] })
    lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('ready')
  }

  /** Ends the child. Resolves to what it knows of its writes. */
  async function end(): Promise<Report> {
    const ended = once(child, 'exit')
    child.stdin?.write('stop')
    const report = JSON.parse((await lines.next()).value as string) as Report
    await ended
    return report
  }

  test.each(['kept', 'lost'])(
    'has every acknowledged write once, and goes on writing, when its connections are %s',
    async (connections) => {
      await start()
      await sleep(300)
      child.kill('SIGSTOP')
      await sleep(FREEZE)
      // Redis, or something on the way, gives up the connections of a process that is silent.
      const lost = connections === 'lost' ? await clientsOf(counters.connection.namespace) : []
      for (const id of lost) await counters.connection.redis.call('CLIENT', 'KILL', 'ID', id)
      child.kill('SIGCONT')
      await sleep(1000)
      const { acknowledged, unknown } = await end()
      const cache = await connect({ counter: still })
      await cache.flush()
      const [row] = await values()
      expect(unknown).toBe(0)
      expect(Number(row?.value)).toBe(acknowledged)
      expect(acknowledged).toBeGreaterThan(20)
    },
  )
})
