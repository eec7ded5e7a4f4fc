/** No sink has a password, a value of a row, or what a malformed URL is made of; and spans have no keys of records. */
import { execFile } from 'node:child_process'
import { inspect } from 'node:util'
import { describe, expect, inject, test } from 'vitest'
import { Dashboard } from '../dashboard/server.js'
import type { FailureEvent } from '../src/index.js'
import { shardPrefix } from '../src/redis/keys.js'
import {
  BYTES,
  connect,
  DATABASE_PASSWORD,
  database,
  exporter,
  failing,
  hear,
  KEY,
  NUMBER,
  namespace,
  quick,
  REDIS_PASSWORD,
  redis,
  redisUrl,
  still,
  TEXT,
  user,
} from './sinks.js'

const document = (id: string) => ({
  where: { id },
  create: { title: TEXT, body: { [TEXT]: TEXT }, note: TEXT, rank: NUMBER, blob: BYTES, tags: [TEXT] },
  update: { note: TEXT },
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
