/** What the library passes on of an error of another library. */

import { runInNewContext } from 'node:vm'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { redact } from '../src/index.js'
import { startRedis } from './environment/redis.js'
import { connections, failing, hear, NUMBER, namespace, REDIS_PASSWORD, redis, redisUrl, said, TEXT, user, useSinks } from './sinks.js'

useSinks()

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
    ['one of another context, which Jest has', runInNewContext('new TypeError(text)', { text: TEXT }), /^TypeError; its message/],
    ['what is no error', { password: REDIS_PASSWORD }, /^something that is no error/],
  ])('%s is reported by its class, its code and its place', (_, error, message) => {
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

test('a reply of Redis that quotes nothing is passed on word by word', async () => {
  const server = await startRedis()
  const replica = new Redis(server.url)
  await replica.config('SET', 'replica-serve-stale-data', 'no')
  await replica.replicaof('127.0.0.1', '1')
  const refusal = await replica.get('key').catch((error: Error) => error)
  expect(redact(refusal).message).toBe("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
  replica.disconnect()
  await server.stop()
})
