/** No sink has a password, a value of a row, or what a malformed URL is made of; and spans have no keys of records. */
import { execFile } from 'node:child_process'
import { inspect } from 'node:util'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { Dashboard } from '../dashboard/server.js'
import { models } from '../generated/write-behind.js'
import { type Cache, createWriteBehind, type FailureEvent, type Policies, redact } from '../src/index.js'
import { shardPrefix } from '../src/redis/keys.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const REDIS_PASSWORD = 'kanarie-redis-1f9c'
const DATABASE_PASSWORD = 'kanarie-postgres-77ab'
const TEXT = 'kanarie-text-40d2'
const NUMBER = 1_987_654_321
const KEY = 'kanarie-key-c01e'
const BYTES = Buffer.from('kanarie-bytes')
/** In every form that a sink could have them in. */
const SECRETS = [REDIS_PASSWORD, DATABASE_PASSWORD, TEXT, String(NUMBER), BYTES.toString('hex'), BYTES.toString('base64'), 'kanarie-bytes']

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const quick = { shards: 1, debounce: 20, maxWait: 100, backoff: 50, attempts: 2 }
const { redis, namespace, empty, clean } = createRedis()
const exporter = new InMemorySpanExporter()
const open: { close(options?: { deadline?: number }): Promise<unknown> }[] = []
const connections: Redis[] = []
const user = `user-${namespace}`
/** All that was said to anybody. */
const said: string[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  await redis.call('ACL', 'SETUSER', user, 'on', `>${REDIS_PASSWORD}`, '~*', '&*', '+@all')
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  process.on('warning', hear)
})

afterEach(async () => {
  await redis.call('ACL', 'SETUSER', user, '+@all')
  await Promise.all(open.splice(0).map((cache) => cache.close({ deadline: 3000 })))
  for (const connection of connections.splice(0)) connection.disconnect()
  hear(exporter.getFinishedSpans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status })))
  exporter.reset()
  await hearRedis()
  await empty()
  await database.query('drop trigger if exists tell on "Document"')
  await database.query('truncate "Document", "Counter", write_behind_ledger')
  const all = said.splice(0)
  for (const secret of SECRETS) expect(all.filter((text) => text.includes(secret))).toEqual([])
})

afterAll(async () => {
  process.off('warning', hear)
  trace.disable()
  context.disable()
  await redis.call('ACL', 'DELUSER', user)
  await clean()
  await database.drop()
})

/** Takes down all that can be seen of something. */
function hear(what: unknown): void {
  said.push(inspect(what, { depth: 10, showHidden: true, maxStringLength: null, maxArrayLength: null }), JSON.stringify(what) ?? '')
  if (what instanceof Error)
    said.push(
      String(what.stack),
      JSON.stringify(Object.fromEntries(Object.getOwnPropertyNames(what).map((name) => [name, Reflect.get(what, name)]))),
    )
}

/** Jobs, with their logs; their data and results are what others see of them. */
async function hearRedis(): Promise<void> {
  for (const key of await redis.keys(`{${namespace}}:queues*`)) {
    const type = await redis.type(key)
    if (type === 'hash') hear(await redis.hgetall(key))
    else if (type === 'list') hear(await redis.lrange(key, 0, -1))
    else if (type === 'stream') hear(await redis.xrange(key, '-', '+'))
  }
}

async function connect<const P extends Policies<typeof models>>(policies: P, url?: string): Promise<Cache<typeof models, P>> {
  const connection = url === undefined ? redis : new Redis(url, { lazyConnect: true })
  if (url !== undefined) connections.push(connection)
  const cache = await createWriteBehind({ prisma: database.prisma, redis: connection, namespace, models, policies, writeTimeout: 1500 })
  open.push(cache)
  for (const name of ['failure', 'parked', 'flushed', 'adopted'] as const) cache.events.on(name, hear)
  return cache
}

function redisUrl(password = REDIS_PASSWORD): string {
  const url = new URL(inject('redisUrl'))
  ;[url.username, url.password] = [user, password]
  return url.toString()
}

/** Resolves to the error, which is heard. */
async function failing(task: () => Promise<unknown>): Promise<Error> {
  try {
    await task()
  } catch (error) {
    hear(error)
    return error as Error
  }
  throw new Error('expected a failure')
}

const document = (id: string) => ({
  where: { id },
  create: { title: TEXT, body: { [TEXT]: TEXT }, note: TEXT, rank: NUMBER, blob: BYTES, tags: [TEXT] },
  update: { note: TEXT },
})

describe('an error of another library', () => {
  const reply = Object.assign(new Error(`ERR wrong number of arguments for '${TEXT}'`), {
    command: { name: 'auth', args: [user, REDIS_PASSWORD] },
  })
  reply.name = 'ReplyError'
  test.each([
    ['a reply of Redis', reply, /^ERR: Redis refused a command/],
    ['one whose first word is no word of Redis', Object.assign(new Error(`${TEXT} x`), { name: 'ReplyError' }), /^ERR: /],
    [
      'a command that Redis does not allow',
      Object.assign(new Error("NOPERM this user has no permissions to run the 'zrank' command"), { name: 'ReplyError' }),
      /^NOPERM: .* zrank/,
    ],
    [
      'a path that is a malformed URL',
      Object.assign(new Error(`connect ENOENT ${REDIS_PASSWORD}`), { code: 'ENOENT', syscall: 'connect', address: REDIS_PASSWORD }),
      /^connect ENOENT$/,
    ],
    [
      'a host that is a part of one',
      Object.assign(new Error(`getaddrinfo ENOTFOUND ${REDIS_PASSWORD}`), {
        code: 'ENOTFOUND',
        syscall: 'getaddrinfo',
        hostname: REDIS_PASSWORD,
      }),
      /^getaddrinfo ENOTFOUND$/,
    ],
    [
      'a refused connection',
      Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
        code: 'ECONNREFUSED',
        syscall: 'connect',
        address: '127.0.0.1',
        port: 1,
      }),
      /^connect ECONNREFUSED 127\.0\.0\.1:1$/,
    ],
    [
      'one with causes',
      new TypeError(TEXT, { cause: Object.assign(new Error(TEXT), { code: 'P2010', meta: { TEXT }, cause: new SyntaxError(TEXT) }) }),
      /^TypeError; its message/,
    ],
    ['one whose code is a text', Object.assign(new Error(TEXT), { code: TEXT, name: TEXT }), /^Error; its message/],
    ['a line that looks like a place in the code', new Error(`x\n    at ${TEXT} (y)`), /^Error; its message/],
    ['what is no error', { password: REDIS_PASSWORD }, /^something that is no error/],
  ])('%s leaves as its class, its code and its place', (_, error, message) => {
    const redacted = redact(error)
    hear(redacted)
    expect(redacted.message).toMatch(message)
    if (error instanceof Error) expect(redacted.stack).toMatch(/secrets\.test\.ts|^\w+Error|^Error/)
  })
})

describe('a reply from within a script', () => {
  const oom = "-OOM command not allowed when used memory > 'maxmemory'."
  test.each([
    ['full memory, behind the place', `ERR Error running script (call to f_0): @user_script:1: @user_script: 1: ${oom}`, 'OOM'],
    ['full memory, behind a sign', `-${oom} script: f_0`, 'OOM'],
    ['full memory, of a transaction', `EXECABORT Transaction discarded because of: ${oom.slice(1)}`, 'OOM'],
    ['a replica', "ERR user_script:1: -READONLY You can't write against a read only replica.", 'READONLY'],
    ['a foreign key', 'ERR user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONGTYPE'],
    ['a missing right', `ERR user_script:1: -NOPERM User ${TEXT} has no permissions to access a key`, 'NOPERM'],
    ['a value that looks like one', `ERR unknown 'OOM command not allowed ${TEXT}'`, 'ERR'],
  ])('says what it is: %s', async (_, text, word) => {
    const error = await failing(() => redis.eval('return redis.error_reply(ARGV[1])', 0, text))
    const redacted = redact(error)
    said.splice(0)
    hear(redacted)
    expect(redacted.message).toMatch(new RegExp(`^${word}: Redis refused a command`))
    expect(redacted.message).not.toContain('memory')
  })

  test('says that a right is missing, for which Redis has no word there', async () => {
    const connection = new Redis(redisUrl())
    connections.push(connection)
    await redis.call('ACL', 'SETUSER', user, '-lpush')
    const error = await failing(() => connection.eval('return redis.call("lpush", KEYS[1], ARGV[1])', 1, `{${namespace}}`, NUMBER))
    said.splice(0)
    hear(redact(error))
    expect(redact(error).message).toMatch(/^NOPERM: Redis refused a command/)
  })
})

describe('Redis', () => {
  test('a wrong password is in no error of the start', async () => {
    const error = await failing(() => connect({ counter: still }, redisUrl(`${REDIS_PASSWORD}-wrong`)))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('WRONGPASS') })
  })

  test.each([`/${REDIS_PASSWORD}@host`, `redis://:${REDIS_PASSWORD}@${REDIS_PASSWORD}.invalid:1`])(
    'what a malformed URL is made of is in no error (%#)',
    async (url) => {
      expect(await failing(() => connect({ counter: still }, url))).toMatchObject({ code: 'UNAVAILABLE' })
    },
  )

  test('a right that is taken away while values are under way', async () => {
    const cache = await connect({ document: still, counter: quick }, redisUrl())
    await cache.document.upsert(document('a'))
    await cache.startWorker()
    await redis.call('ACL', 'SETUSER', user, '-eval', '-evalsha', '-zrank', '-time')
    await failing(() => cache.document.upsert(document('b')))
    await failing(() => cache.document.findUnique({ where: { id: 'c' } }))
    await failing(() => cache.document.pending({ id: 'a' }))
    await failing(() => cache.status())
    await failing(() => cache.flush({ timeout: 500 }))
  })

  test('a password that is changed while connections are open', async () => {
    const cache = await connect({ counter: quick }, redisUrl())
    const failed = new Promise((resolve) => cache.events.once('failure', resolve))
    await redis.call('ACL', 'SETUSER', user, 'resetpass', '>another')
    await redis.call('CLIENT', 'KILL', 'USER', user)
    expect(await failed).toMatchObject({ step: 'redis' })
    await redis.call('ACL', 'SETUSER', user, 'resetpass', `>${REDIS_PASSWORD}`)
  })

  test('a view that is no JSON any more', async () => {
    const cache = await connect({ document: still })
    await cache.document.upsert(document(KEY))
    await cache.document.findUnique({ where: { id: KEY } })
    await redis.hset(`${shardPrefix(namespace, 'Document', 0)}view/${KEY}`, 'body', `{${TEXT}`)
    expect(await failing(() => cache.document.findUnique({ where: { id: KEY } }))).toMatchObject({ name: 'SyntaxError' })
  })
})

describe('the database', () => {
  const raising = (statement: string) => async () => {
    await database.query(`create or replace function tell() returns trigger language plpgsql as $$ begin ${statement} end $$`)
    await database.query('create trigger tell before insert on "Document" for each row execute function tell()')
  }

  test.each([
    ['with a value', `raise exception 'no %', new.note;`],
    ['with a value as the name of a column', `raise exception 'no column "%"', new.note;`],
    ['with a value as the name of a constraint', `raise exception 'violates check constraint "%"', new.note using errcode = '23514';`],
    ['with a value as a key', `raise exception 'x' using errcode = '23505', detail = 'Key (' || new.note || ')=(1) already exists.';`],
    ['with a value as a column that is there', `raise exception 'x' using errcode = '23503', column = new.note;`],
    [
      'with a hint and a code of its own',
      `raise exception 'x %', new.rank using errcode = 'UE001', hint = new.note, column = new.note, constraint = new.note;`,
    ],
    ['by a cast of a value', `new.rank = new.note::integer; return new;`],
    ['by a value that is too long', `new.title = repeat(new.title, 9); return new;`],
    ['by a null where none may be', `new.title = null; return new;`],
  ])('a trigger that refuses %s', async (_, statement) => {
    await raising(statement)()
    const cache = await connect({ document: { ...quick, jobs: 'record' } })
    await cache.startWorker()
    await cache.document.upsert(document(KEY))
    await expect.poll(async () => (await cache.parked()).length, { timeout: 20_000 }).toBe(1)
    await failing(() => cache.flush({ model: 'document', key: { id: KEY } }))
    hear(await cache.parked())
    const { reason } = (await cache.document.pending({ id: KEY })) ?? {}
    hear(reason)
    expect(reason).toMatch(/^Document: the database refuses this record; .*\(\w{5}(, constraint title)?\)$/)
    const dashboard = new Dashboard({ cache, port: 0 })
    const url = await dashboard.start()
    for (const path of ['/status', '/queues/api/queues']) hear(await (await fetch(url + path)).text())
    await dashboard.stop()
    const spans = exporter.getFinishedSpans().filter(({ name }) => name.startsWith('add') || name.startsWith('process'))
    expect(spans.length).toBeGreaterThan(1)
    expect(
      inspect(
        spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
        { depth: 9 },
      ),
    ).not.toContain(KEY)
  })

  test('a row that the model cannot read', async () => {
    const cache = await connect({ document: still })
    await database.query(`insert into "Document" (id, title, body, "createdAt") values ('a', $1, '{}', '20000-01-01')`, [TEXT])
    expect(await failing(() => cache.document.findUnique({ where: { id: 'a' } }))).toMatchObject({ code: 'REFUSED' })
  })

  test('a server that is not there', async () => {
    const url = `postgresql://user:${DATABASE_PASSWORD}@127.0.0.1:1/${DATABASE_PASSWORD}`
    const { output } = await runMain({ REDIS_URL: inject('redisUrl'), DATABASE_URL: url })
    expect(output).not.toBe('')
  })
})

test('a job that somebody made is failed without its data', async () => {
  const cache = await connect({ counter: quick })
  await cache.startWorker()
  const failures: FailureEvent[] = []
  cache.events.on('failure', (failure) => void failures.push(failure))
  await redis.del(`{${namespace}}:none`)
  const job = await cache.queues[0]?.add('crafted', { kind: 'none', key: KEY, text: 'made' })
  await expect.poll(() => failures.length, { timeout: 20_000 }).toBeGreaterThan(0)
  expect(failures[0]?.error.message).toContain('got something else')
  expect(await redis.hget(`{${namespace}}:queues:${namespace}.Counter:${job?.id}`, 'failedReason')).not.toContain('made')
})

test('what a listener throws', async () => {
  const cache = await connect({ counter: still })
  cache.events.on('written', () => {
    throw new Error(TEXT, { cause: new Error(TEXT) })
  })
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  cache.events.removeAllListeners('failure')
  await cache.counter.increment({ name: 'a' }, { value: 1 })
})

describe('the dashboard', () => {
  test('answers a malformed address or body without saying where it stumbled', async () => {
    const cache = await connect({ counter: still })
    const dashboard = new Dashboard({ cache, port: 0 })
    const url = await dashboard.start()
    const json = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: `{"${TEXT}` }
    const queue = encodeURIComponent(`${namespace}.Counter`)
    const answers = [
      await fetch(`${url}/%E0%A4%A`),
      await fetch(`${url}/queues/%E0%A4%A`),
      await fetch(`${url}/queues/queue/%E0%A4%A`),
      await fetch(`${url}/queues/api/queues/${queue}/clean/%E0%A4%A`, { method: 'PUT' }),
      await fetch(`${url}/queues/api/queues/${queue}/retry/failed`, json),
    ]
    for (const answer of answers) {
      const text = await answer.text()
      hear(text)
      expect([400, 404, 405]).toContain(answer.status)
      expect(text).not.toMatch(/node_modules|\.[jt]s:\d|Error/)
    }
    await dashboard.stop()
  })

  test.each([`redis:/${REDIS_PASSWORD}`, `not a url ${REDIS_PASSWORD}`, `//${REDIS_PASSWORD}@`])(
    '`npm start` says nothing of a malformed URL (%#)',
    async (url) => {
      const { code, output } = await runMain({ REDIS_URL: url, DATABASE_URL: 'postgresql://127.0.0.1:1/x' })
      expect(code).toBe(1)
      expect(output).toContain('REDIS_URL: expected a URL')
    },
  )
})

async function runMain(environment: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env, PORT: '0', NAMESPACE: namespace, ...environment }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', 'dashboard/main.ts'],
      { env, timeout: 20_000 },
      (_error, stdout, stderr) => {
        hear(stdout + stderr)
        resolve({ code: child.exitCode, output: stdout + stderr })
      },
    )
  })
}
