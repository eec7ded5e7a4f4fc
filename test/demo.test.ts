import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { PrismaPg } from '@prisma/adapter-pg'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { parseAccessLogLine, readLines } from '../examples/demo/access-log.js'
import { Expectation } from '../examples/demo/expectation.js'
import { LagHistogram } from '../examples/demo/lag.js'
import { parseOptions, UsageError } from '../examples/demo/options.js'
import { startServers } from '../examples/demo/servers.js'
import { LogTraffic, SyntheticTraffic } from '../examples/demo/traffic.js'
import { verify } from '../examples/demo/verifier.js'
import { PrismaClient } from '../generated/client/client.js'

const COMMON = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
const COMBINED = `${COMMON} "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"`

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'write-behind-demo-test-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a line of an access log', () => {
  const entry = { target: '/apache_pb.gif', status: 200, bytes: 2326, time: new Date('2000-10-10T20:55:36Z') }

  test.each([
    ['Common Log Format', COMMON],
    ['Combined Log Format', COMBINED],
    ['a user with a space', COMMON.replace('frank', 'frank zappa')],
    ['a referrer with an escaped quote', `${COMMON} "a\\"b" "-"`],
    ['a request without a protocol', COMMON.replace(' HTTP/1.0', '')],
  ])('is read: %s', (_, line) => {
    expect(parseAccessLogLine(line)).toEqual(entry)
  })

  test('keeps the target as the client sent it', () => {
    const targetOf = (target: string) => parseAccessLogLine(COMMON.replace('/apache_pb.gif', () => target))?.target
    for (const target of ['/a?b=c&d=%20', '/a b', '/\\"quoted\\"', '*', 'http://other.example/', '//x//', '/ü'])
      expect(targetOf(target)).toBe(target)
  })

  test('counts no bytes for "-"', () => {
    expect(parseAccessLogLine(COMMON.replace(' 2326', ' -'))?.bytes).toBe(0)
  })

  test.each([
    ['nothing', ''],
    ['prose', 'this is not a line of a log'],
    ['JSON', '{"path":"/","status":200}'],
    ['half a line', COMMON.slice(0, 60)],
    ['a request that is none', COMMON.replace('GET /apache_pb.gif HTTP/1.0', '-')],
    ['no status', COMMON.replace(' 200 ', ' - ')],
    ['no such month', COMMON.replace('Oct', 'Okt')],
    ['no such day', COMMON.replace('10/Oct', '32/Oct')],
    ['more fields than the combined format has', `${COMBINED} "more"`],
    ['a NUL, which PostgreSQL cannot hold', COMMON.replace('apache_pb', 'a\0b')],
  ])('is none: %s', (_, line) => {
    expect(parseAccessLogLine(line)).toBeUndefined()
  })
})

describe('a log file', () => {
  const text = `${COMMON}\r\ngarbage\n\n${COMBINED}`

  test.each([
    ['plain', 'access.log', Buffer.from(text)],
    ['packed', 'access.log.gz', gzipSync(text)],
    ['packed in two parts', 'two.gz', Buffer.concat([gzipSync(text.slice(0, 100)), gzipSync(text.slice(100))])],
  ])('is replayed, and what is no request skipped and counted: %s', async (_, name, content) => {
    const path = join(folder, name)
    await writeFile(path, content)
    const traffic = new LogTraffic(path, true)
    const changes = await all(traffic.changes())
    expect(changes).toHaveLength(2)
    expect(changes[1]).toEqual({
      model: 'pageView',
      key: { path: '/apache_pb.gif' },
      add: { views: 1, bytes: 2326 },
      set: { lastStatus: 200, lastSeen: new Date('2000-10-10T20:55:36Z') },
    })
    expect(traffic.skipped).toBe(2)
  })

  test.each([
    ['is not there', 'missing.log', undefined],
    ['is packed and cut off', 'cut.gz', gzipSync(text.repeat(100)).subarray(0, 60)],
  ])('that %s is an error and not the end of the input', async (_, name, content) => {
    const path = join(folder, name)
    if (content !== undefined) await writeFile(path, content)
    await expect(all(readLines(path))).rejects.toThrow()
  })

  test('with requests too long for an index gives each of them a path of its own that is not', async () => {
    const path = join(folder, 'long.log')
    await writeFile(path, ['a', 'b', 'a'].map((end) => COMMON.replace('/apache_pb.gif', `/${'x'.repeat(9000)}${end}`)).join('\n'))
    const paths = (await all(new LogTraffic(path, true).changes())).map(({ key }) => Object.values(key)[0] ?? '')
    expect(new Set(paths).size).toBe(2)
    for (const each of paths) expect(Buffer.byteLength(each)).toBeLessThan(2100)
  })
})

test('synthetic traffic is the same for one seed, and another for another', async () => {
  const start = async (seed: number) => {
    const changes = []
    for await (const change of new SyntheticTraffic(seed).changes()) if (changes.push(change) === 500) return changes
    return changes
  }
  expect(await start(1)).toEqual(await start(1))
  expect(await start(1)).not.toEqual(await start(2))
  expect(new Set((await start(1)).map(({ model }) => model))).toEqual(new Set(['pageView', 'reading', 'player', 'counter']))
})

test('a write with an unknown outcome makes a range of its record’s sums, and of no other’s', () => {
  const expectation = new Expectation()
  const add = (path: string) => {
    const change = { model: 'pageView', key: { path }, add: { views: 1, bytes: 10 }, set: undefined } as const
    expectation.add(change)
    return change
  }
  add('/a')
  add('/b')
  expectation.doubt(add('/a'))
  expect(expectation.rows('pageView').get('/a')?.sums.get('bytes')).toEqual({ low: 10, high: 20 })
  expect(expectation.rows('pageView').get('/b')?.sums.get('bytes')).toEqual({ low: 10, high: 10 })
})

test('percentiles of lags are right to 2 %', () => {
  const lags = new LagHistogram()
  expect(lags.percentile(0.99)).toBe(0)
  for (let lag = 0; lag < 10_000; lag++) lags.add(lag)
  expect(Math.abs(lags.percentile(0.5) / 5000 - 1)).toBeLessThan(0.02)
  expect(Math.abs(lags.percentile(0.99) / 9900 - 1)).toBeLessThan(0.02)
})

test.each([
  [['--rate', 'fast'], '--rate: expected a number above 0, got "fast"'],
  [['--rate', '0'], '--rate: expected a number above 0, got "0"'],
  [['--seconds=-1'], '--seconds: expected a number above 0, got "-1"'],
  [['--port', '70000'], '--port: expected a port, 0 to 65535, got "70000"'],
  [['--lgo', 'x'], "Unknown option '--lgo'"],
])('the options %j are refused with what was expected', (args, message) => {
  expect(() => parseOptions(args)).toThrow(UsageError)
  expect(() => parseOptions(args)).toThrow(message)
})

test('the comparison finds a wrong value, a missing row and one that nobody wrote, on every page of the table', async () => {
  const servers = await startServers({ redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }, `verifier_${Date.now()}`)
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: servers.databaseUrl }) })
  try {
    const expectation = new Expectation()
    const paths = Array.from({ length: 4500 }, (_, n) => `/${n}`)
    for (const path of paths) {
      const set = { lastStatus: 200, lastSeen: new Date(0) }
      for (let n = 0; n < 2; n++) expectation.add({ model: 'pageView', key: { path }, add: { views: 1, bytes: 5 }, set })
    }
    await prisma.pageView.createMany({ data: paths.map((path) => ({ path, views: 2, bytes: 10, lastStatus: 200, lastSeen: new Date(0) })) })
    const verdict = async () => (await verify(prisma, expectation))[0]
    expect(await verdict()).toMatchObject({ model: 'pageView', expected: 4500, found: 4500, mismatches: 0 })

    await prisma.pageView.update({ where: { path: '/17' }, data: { views: 3 } })
    await prisma.pageView.update({ where: { path: '/4400' }, data: { lastSeen: new Date(1) } })
    await prisma.pageView.delete({ where: { path: '/2222' } })
    await prisma.pageView.create({ data: { path: '/x' } })
    const { mismatches, found, examples } = (await verdict()) ?? {}
    expect({ mismatches, found }).toEqual({ mismatches: 4, found: 4500 })
    expect(examples).toContain('/17: views: expected 2, got 3')
  } finally {
    await prisma.$disconnect()
    expect(await servers.stop(false)).toEqual([])
  }
})

describe('the demo', () => {
  const servers = () => ({ REDIS_URL: inject('redisUrl'), DATABASE_URL: inject('databaseUrl') })

  test('ends with every record as the input says, and leaves nothing behind on the servers given to it', async () => {
    const { code, stdout } = await demo(['--json', '--seconds', '2', '--rate', '500'], servers())
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    expect(result).toMatchObject({ mismatches: 0, parked: 0, unknown: 0, error: null })
    expect(result.requests).toBeGreaterThan(800)
    expect(result.acknowledged).toBe(result.requests)
    expect(result.coalescing).toBeGreaterThan(0)
    expect(result.lagP99Ms).toBeGreaterThan(0)
    expect(code).toBe(0)
    expect(await demoDatabases()).toEqual([])
  })

  test('refuses to stop a PostgreSQL that it did not start', async () => {
    const { code, stderr } = await demo(['--database-outage', '5'], servers())
    expect(stderr).toContain('--database-outage: expected a PostgreSQL that the demo starts itself')
    expect(code).toBe(2)
  })
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

function demo(args: readonly string[], env: Record<string, string>): Promise<{ code: number; stdout: string; stderr: string }> {
  const entry = fileURLToPath(new URL('../examples/demo/main.ts', import.meta.url))
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', entry, ...args],
      { env: { ...process.env, ...env } },
      (_, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, stdout, stderr })
      },
    )
  })
}

async function demoDatabases(): Promise<string[]> {
  const client = new Client({ connectionString: inject('databaseUrl') })
  await client.connect()
  const { rows } = await client.query<{ datname: string }>("select datname from pg_database where datname like 'write\\_behind\\_demo%'")
  await client.end()
  return rows.map(({ datname }) => datname)
}
