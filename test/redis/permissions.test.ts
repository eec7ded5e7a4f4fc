/** A Redis user that lacks a right is found at the start, by name. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, UnsafeRedisError } from '../../src/index.js'
import { identityKey } from '../../src/redis/keys.js'
import { COMMAND_NAMES } from '../../src/redis/permissions.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const soon = { shards: 1, debounce: 10, maxWait: 10_000 }
let connection: ReturnType<typeof createRedis>
let database: TestDatabase
let user: string
let closing: (() => Promise<unknown>)[]

beforeEach(async () => {
  connection = createRedis()
  database = await createDatabase()
  user = `user-${connection.namespace}`
  closing = []
})

afterEach(async () => {
  for (const close of closing) await close()
  await connection.redis.call('ACL', 'DELUSER', user)
  await connection.clean()
  await database.drop()
})

/** As that user, with these rules. */
async function start(...rules: string[]) {
  await connection.redis.call('ACL', 'SETUSER', user, 'reset', 'on', '>secret', ...rules)
  const address = new URL(inject('redisUrl'))
  const redis = new Redis({
    host: address.hostname,
    port: Number(address.port || 6379),
    username: user,
    password: 'secret',
    lazyConnect: true,
  })
  const { namespace } = connection
  const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { counter: soon } })
  closing.push(() => cache.close({ deadline: 3_000 }))
  return cache
}

const keys = () => `~{${connection.namespace}*`
const documented = () => (/^ACL SETUSER application (.*\+multi .*)$/m.exec(readText('../../docs/operations.md'))?.[1] ?? '').split(' ')

function readText(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
}

/** What scripts call, by whatever name they have the call; BullMQ's variables are among what it calls by name, too. */
function commandsIn(folder: URL): string[] {
  const texts = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(lua|js)$/.test(file))
    .map((file) => readFileSync(new URL(file, folder), 'utf8'))
  const names = texts.flatMap((text) =>
    [...text.matchAll(/\b(?:r?call|pcall)\(\s*["']([A-Za-z]+)["']/g)].map(([, name]) => (name as string).toLowerCase()),
  )
  expect(names.length).toBeGreaterThan(50)
  return [...new Set(names)]
}

test('a right that is taken away is told on the next connection', async () => {
  const cache = await start(keys(), '+@all')
  const told: unknown[] = []
  cache.events.on('failure', ({ step, error }) => void (step === 'safety' && told.push(error)))
  await connection.redis.call('ACL', 'SETUSER', user, '-zrank')
  await connection.redis.call('CLIENT', 'KILL', 'USER', user)
  await expect.poll(() => told.length).toBeGreaterThan(0)
  expect(told[0]).toMatchObject({ code: 'UNSAFE_REDIS', message: expect.stringContaining('zrank') })
})

test('every command that a script of this library or of BullMQ calls is checked', () => {
  expect(commandsIn(new URL('../../src/redis/lua/', import.meta.url)).filter((name) => !COMMAND_NAMES.includes(name))).toEqual([])
  const bullmq = new URL('scripts/', import.meta.resolve('bullmq'))
  expect(fileURLToPath(bullmq)).toContain('bullmq')
  expect(commandsIn(bullmq).filter((name) => !COMMAND_NAMES.includes(name))).toEqual([])
})

describe('a user', () => {
  test('with exactly the documented rights writes, flushes, reads and runs the queue', async () => {
    const rules = documented()
    const commands = rules.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1))
    expect(commands.toSorted()).toEqual([...COMMAND_NAMES].sort())
    const cache = await start('resetchannels', keys(), ...commands.map((name) => `+${name}`))
    const failures: string[] = []
    cache.events.on('failure', ({ step, error }) => void failures.push(`${step}: ${error.message}`))
    await cache.startWorker()
    await cache.counter.increment({ name: 'a' }, { value: 2 })
    await cache.counter.max({ name: 'b' }, { value: 5 })
    await cache.counter.delete({ where: { name: 'c' } })
    const rows = () => database.query('select name, value from "Counter" order by name')
    await expect.poll(rows).toEqual([
      { name: 'a', value: '2' },
      { name: 'b', value: '5' },
    ])
    await cache.counter.invalidate({ name: 'a' })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 2n })
    expect(await cache.counter.isPersisted({ name: 'a' })).toBe(true)
    await expect.poll(() => cache.queues[0]?.getCompletedCount()).toBeGreaterThan(0)
    await cache.queues[0]?.pause()
    await cache.queues[0]?.resume()
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    expect(failures).toEqual([])
  })

  test('with the broad rules of the documentation is taken', async () => {
    await start('resetchannels', keys(), '+@all', '-@dangerous', '+info')
  })

  test('that lacks commands is told all of them, and the rule to add, before anything is stored', async () => {
    const error = await start(keys(), '+@all', '-zrank', '-hget', '-bzpopmin', '-client|setname').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(UnsafeRedisError)
    for (const name of ['zrank', 'hget', 'bzpopmin', 'client|setname']) expect(String(error)).toContain(`+${name}`)
    expect(String(error)).toContain(`ACL SETUSER ${user}`)
    expect(String(error)).not.toContain('secret')
    expect(String(error)).not.toContain('+zadd')
    expect(await connection.redis.keys(`{${connection.namespace}*`)).toEqual([])
  })

  test.each(COMMAND_NAMES.map((name) => [name]))('that lacks %s alone is told so', async (name) => {
    await expect(start(keys(), '+@all', `-${name}`)).rejects.toThrow(`is denied the commands ${name};`)
  })

  test.each([['shards'], ['identity'], ['queues'], ['changes']])('that may not use the keys of the %s is told so', async (what) => {
    const prefix = `~{${connection.namespace}`
    const rules = { shards: `${prefix}}/shards`, identity: `${prefix}}/identity`, queues: `${prefix}}:queues*`, changes: `${prefix}/*` }
    const others = Object.entries(rules).filter(([name]) => name !== what)
    await expect(start(...others.map(([, rule]) => rule), '+@all')).rejects.toThrow(`some of the keys {${connection.namespace}*`)
  })

  test('that may only read some keys is told so', async () => {
    const prefix = `{${connection.namespace}`
    await expect(start(`%R~${prefix}*`, '+@all')).rejects.toThrow('some of the keys')
  })

  test('is asked without any effect', async () => {
    await start(keys(), '+@all')
    const probes = (await connection.redis.keys(`{${connection.namespace}*`)).filter((key) => key.includes('probe'))
    expect(probes).toEqual([])
    expect(await connection.redis.ttl(identityKey(connection.namespace))).toBe(-1)
  })
})
