import { OwnError } from '../redaction.js'

/** Refusals because of a state of Redis that passes without help. Redis has not begun the command. */
const PASSING = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|UNBLOCKED)\b/

/** Other refusals of commands that Redis has not begun. */
const REFUSED_UNREAD =
  /^(NOPERM|NOAUTH|WRONGPASS|DENIED|MOVED|ASK|CROSSSLOT|NOSCRIPT|NOPROTO|OOM|ERR (max number of clients|unknown command|protocol error|error compiling script))\b/i

/** Redis adds this to an error within a script. The script may have done a part of its work. */
const WITHIN_A_SCRIPT = /\bscript: ?[0-9a-f]{40}|user_script/

const CLUSTER = 'this Redis is a node of a Redis Cluster, which is not supported'

/** The meaning of each reply, by its beginning. */
const MEANINGS: readonly (readonly [beginning: string, meaning: string])[] = [
  ['NOPERM', 'the user lacks a right in Redis that the call needs'],
  ['NOAUTH', 'Redis wants a password, and got none'],
  ['WRONGPASS', 'Redis refused the name of the user, or the password'],
  ['DENIED', 'Redis is in protected mode, and refuses connections from other machines'],
  ['MOVED', CLUSTER],
  ['ASK', CLUSTER],
  ['CROSSSLOT', CLUSTER],
  ['CLUSTERDOWN', CLUSTER],
  ['TRYAGAIN', CLUSTER],
  ['WRONGTYPE', 'a key holds a value that this library did not store'],
  ['NOSCRIPT', 'Redis does not have the script any more'],
  ['OOM', 'Redis is out of memory (maxmemory)'],
  ['READONLY', 'this Redis is a replica, and takes no writes'],
  ['MASTERDOWN', 'this Redis is a replica, and has lost its primary'],
  ['NOREPLICAS', 'Redis takes no writes without its replicas (min-replicas-to-write)'],
  ['MISCONF', 'Redis cannot write to its disk, and takes no writes'],
  ['LOADING', 'Redis loads its data'],
  ['BUSY', 'Redis is busy with a script that takes too long'],
  ['UNFINISHED', 'the call was sent before, and stopped half-way'],
  ['UNBLOCKED', 'Redis was made a replica meanwhile'],
  ['NOPROTO', 'Redis does not know this version of its protocol'],
  ['ERR max number of clients', 'max number of clients reached: Redis has as many connections as it may (maxclients)'],
  ['ERR unknown command', 'Redis does not know a command (unknown command): it is too old, or the command was renamed'],
  ['ERR Protocol error', 'Redis did not understand what it got (Protocol error)'],
  ["ERR The user executing the script can't", 'the user lacks a right in Redis that the call needs'],
]

/** Whether Redis itself answered with this error. If not, the connection has failed. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

export function isTurnedAway(error: unknown): error is Error {
  return isReply(error) && PASSING.test(error.message) && !WITHIN_A_SCRIPT.test(error.message)
}

/** Whether Redis says that it has done nothing. */
export function isRefusedUnread(error: unknown): boolean {
  return isTurnedAway(error) || (isReply(error) && REFUSED_UNREAD.test(error.message) && !WITHIN_A_SCRIPT.test(error.message))
}

/** Removes the arguments of the call, which ioredis attaches to its errors, because values of rows must not get into a log. */
export function withoutArguments<E>(error: E): E {
  if (isReply(error)) Reflect.deleteProperty(error, 'command')
  return error
}

/** An error reply of Redis in words of this library, because the original may quote what was sent. */
export class RedisRefusal extends OwnError {
  /** Whether Redis says that it has done nothing. */
  readonly isUnread: boolean

  constructor(reply: Error) {
    const [word = 'ERR'] = /^[A-Z]{2,20}(?= |$)/.exec(reply.message) ?? []
    const meaning = MEANINGS.find(([beginning]) => reply.message.startsWith(beginning))?.[1] ?? 'Redis refused the call'
    const where = WITHIN_A_SCRIPT.test(reply.message) ? '; it was refused within a script, which may have done a part of its work' : ''
    super(`${word}: ${meaning}${where}`, { cause: reply })
    this.name = 'RedisRefusal'
    this.isUnread = isRefusedUnread(reply)
  }
}

/** The error in words that may be shown. */
export function named(error: unknown): unknown {
  return isReply(error) ? new RedisRefusal(error) : error
}
