import { Command, type Redis } from 'ioredis'
import { UnsafeRedisError } from '../errors.js'
import { identityKey, queuePrefix, shardCountsKey, shardPrefix } from './keys.js'
import { isReply } from './refusal.js'
import type { RetryingConnection } from './retrying-connection.js'

/** Stands for a key in a command. */
const KEY = '<key>'

/**
 * All commands that this library and BullMQ 6.7 use, in their scripts and outside of them. Each command has arguments that Redis accepts.
 * `test/redis/permissions.test.ts` compares the list with the scripts.
 */
const COMMANDS: readonly string[] = [
  'append <key> v; bzpopmin <key> 0; client setname x; copy <key> <key>; del <key>; dump <key>; eval return 1 <key>; evalsha x 1 <key>; exists <key>',
  'get <key>; getdel <key>; hdel <key> f; hexists <key> f; hget <key> f; hgetall <key>; hincrby <key> f 1; hkeys <key>; hlen <key>',
  'hmget <key> f; hmset <key> f v; hscan <key> 0; hset <key> f v; hsetnx <key> f v; hstrlen <key> f; incr <key>; incrby <key> 1; info',
  'lindex <key> 0; llen <key>; lpop <key>; lpos <key> v; lpush <key> v; lrange <key> 0 0; lrem <key> 0 v; lset <key> 0 v',
  'ltrim <key> 0 0; mget <key>; persist <key>; pexpire <key> 1; pexpireat <key> 1; pttl <key>; rename <key> <key>; rpop <key>',
  'rpoplpush <key> <key>; rpush <key> v; sadd <key> v; scan 0; scard <key>; set <key> v; sismember <key> v; smembers <key>',
  'srem <key> v; strlen <key>; sscan <key> 0; time; type <key>; unlink <key>; xadd <key> * f v; xdel <key> 1-1; xlen <key>; xrange <key> - +',
  'xread streams <key> 0; xtrim <key> maxlen 1; zadd <key> 1 v; zcard <key>; zcount <key> 0 1; zlexcount <key> - +; zpopmin <key>',
  'zrange <key> 0 0; zrangebylex <key> - +; zrangebyscore <key> 0 1; zrank <key> v; zrem <key> v; zremrangebyrank <key> 0 0',
  'zremrangebyscore <key> 0 1; zrevrange <key> 0 0; zrevrangebyscore <key> 1 0; zscore <key> v; zmscore <key> v',
].flatMap((line) => line.split('; '))

/** Commands that do nothing within a transaction that is discarded. */
const TRANSACTION = ['multi', 'exec', 'discard']

/** The names of the commands in the rules of an ACL. */
export const COMMAND_NAMES: readonly string[] = [...TRANSACTION, ...COMMANDS.map(nameOf)]

/** Commands that do no harm even if Redis carries them out. */
const TOUCH: readonly string[] = ['hget <key> :none', 'hdel <key> :none']

interface Denied {
  readonly commands: readonly string[]
  readonly keys: boolean
}

/**
 * Checks that the user may run every command, because a script that may not run one of its commands stops half-way. It queues all commands in a
 * transaction and discards it: Redis checks the rights when it queues a command. So one round trip is enough, and the user needs no right to `ACL`.
 * @throws UnsafeRedisError that names what the user may not do, and the rule that allows it
 * @throws UnavailableError when Redis does not answer in time
 */
export async function checkPermissions(redis: Redis, connection: RetryingConnection, namespace: string): Promise<void> {
  const { commands, keys } = await connection.ask(undefined, () => probe(redis, namespace))
  if (commands.length === 0 && !keys) return
  const missing = [commands.length > 0 ? `the commands ${commands.join(', ')}` : '', keys ? `some of the keys {${namespace}*` : '']
  const rules = [...commands.map((name) => `+${name}`), ...(keys ? [`'~{${namespace}*'`] : [])]
  const user = redis.options.username ?? 'default'
  throw new UnsafeRedisError(
    `Redis: the user ${user} is denied ${missing.filter(Boolean).join(', and ')}; run ACL SETUSER ${user} ${rules.join(' ')} (docs/operations.md)`,
  )
}

/**
 * Checks the rights again whenever the connection was opened anew. A call without a right fails in any case; this check reports which right is
 * missing.
 */
export function watchPermissions(
  redis: Redis,
  connection: RetryingConnection,
  namespace: string,
  tell: (error: UnsafeRedisError) => void,
): void {
  redis.on('ready', () => {
    checkPermissions(redis, connection, namespace).catch((error: unknown) => {
      if (error instanceof UnsafeRedisError) tell(error)
    })
  })
}

async function probe(redis: Redis, namespace: string): Promise<Denied> {
  // If there was no transaction, these commands fail, which does no harm.
  const ends = await sendAll(redis, ['exec', 'discard'])
  if (ends.commands.length > 0) return ends
  const transaction = await sendAll(redis, ['multi', 'discard'])
  if (transaction.commands.length > 0) return transaction
  const touched = [shardCountsKey(namespace), identityKey(namespace)].flatMap((key) => TOUCH.map((command) => command.replaceAll(KEY, key)))
  const probes = [`${shardPrefix(namespace, 'probe', 0)}probe`, `${queuePrefix(namespace)}:probe`]
  const asked = probes.flatMap((key) => COMMANDS.map((command) => command.replaceAll(KEY, key)))
  return sendAll(redis, ['multi', ...touched, ...asked, 'discard'])
}

/** Sends the commands in one turn of the event loop, so that no other command comes between them. */
async function sendAll(redis: Redis, commands: readonly string[]): Promise<Denied> {
  const replies = await Promise.all(commands.map((command) => send(redis, command)))
  const denied = commands.filter((_, n) => isDenied(replies[n]) && !isAboutKeys(replies[n]))
  return { commands: [...new Set(denied.map(nameOf))], keys: replies.some((reply) => isDenied(reply) && isAboutKeys(reply)) }
}

/** The reply, if it is an error. */
async function send(redis: Redis, text: string): Promise<string | undefined> {
  const [name = '', ...args] = text.split(' ')
  try {
    await redis.sendCommand(new Command(name, args, { replyEncoding: 'utf8' }))
    return undefined
  } catch (error) {
    if (isReply(error)) return error.message
    throw error
  }
}

/** If the command is EXEC, the reason follows the error of the transaction. */
function isDenied(reply: string | undefined): boolean {
  return reply !== undefined && /^(EXECABORT .*)?\bNOPERM\b/.test(reply)
}

function isAboutKeys(reply: string | undefined): boolean {
  return reply !== undefined && !/\bto run\b/.test(reply)
}

function nameOf(command: string): string {
  const [name = '', subcommand] = command.split(' ')
  return name === 'client' ? `${name}|${subcommand}` : name
}
