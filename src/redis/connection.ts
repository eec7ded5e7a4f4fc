import type { Redis, RedisOptions } from 'ioredis'
import { ConfigurationError } from '../errors.js'
import type { Events } from '../events.js'
import { OwnError } from '../redaction.js'
import { type Connector, persistent } from './connector.js'

/** The options that are copied from the application's connection, because they say how to reach Redis. All others are ours, or ioredis' defaults. */
const REACHING = [
  'host',
  'port',
  'path',
  'family',
  'username',
  'password',
  'db',
  'tls',
  'name',
  'sentinels',
  'sentinelUsername',
  'sentinelPassword',
  'sentinelTLS',
  'sentinelMaxConnections',
  'enableTLSForSentinelMode',
  'updateSentinels',
  'failoverDetector',
  'natMap',
  'keepAlive',
  'noDelay',
  'connectionName',
  'disableClientInfo',
  'clientInfoTag',
  'protocol',
] as const satisfies readonly (keyof RedisOptions)[]

/** Ms. The application's own timeout may be too short for a slow connection. */
const CONNECT_TIMEOUT = 10_000
/** Ms. Without it, a Sentinel that accepts connections and never answers would be waited for for ever. */
const SENTINEL_TIMEOUT = 5000

/**
 * Replies that will not change on this connection. Redis was demoted and keeps the connection, or it is cut off from the other servers, which may
 * have another primary now. A new connection resolves the name, or asks the Sentinels, again.
 */
const MOVED_ON = /(^|-)(READONLY|MASTERDOWN|NOREPLICAS|UNBLOCKED)\b/

/** The options that could end our connections, cut our commands short, or change the form of the replies. */
const OURS = {
  role: 'master',
  retryStrategy: retryDelay,
  sentinelRetryStrategy: retryDelay,
  sentinelCommandTimeout: SENTINEL_TIMEOUT,
  reconnectOnError: ({ message }: Error) => MOVED_ON.test(message),
  maxRetriesPerRequest: null,
  enableOfflineQueue: true,
  offlineQueue: true,
  commandQueue: true,
  autoResendUnfulfilledCommands: true,
  enableAutoPipelining: false,
  enableReadyCheck: true,
  maxLoadingRetryTime: 500,
  commandTimeout: undefined,
  blockingTimeout: undefined,
  socketTimeout: undefined,
  disconnectTimeout: 2000,
  lazyConnect: false,
  readOnly: false,
  monitor: false,
  stringNumbers: false,
  replyMapping: 'legacy',
  scripts: undefined,
  himportFieldsets: undefined,
} as const satisfies Partial<RedisOptions>

const problems = new WeakMap<Redis, Error>()

/** Why the connection is not open, if that is known. */
export function problemOf(redis: Redis): Error | undefined {
  return problems.get(redis)
}

/** Opens a connection to the same Redis as the application's connection. */
export type Connect = (overrides: Partial<RedisOptions>) => Redis

/**
 * @param opened gets every connection that is opened
 * @throws ConfigurationError when the application's connection cannot be copied
 */
export function connectLike(redis: Redis, events: Events, opened: Redis[]): Connect {
  checkConnection(redis)
  const reaching = reachingOptions(redis.options)
  return (overrides) => {
    const connection = redis.duplicate({ ...reaching, ...OURS, ...overrides })
    noteWhenTurnedAway(connection)
    connection.on('error', (error) => {
      problems.set(connection, explain(connection, error))
      events.emit('failure', { step: 'redis', model: undefined, error })
    })
    connection.on('ready', () => problems.delete(connection))
    opened.push(connection)
    return connection
  }
}

/** Redis says "max number of clients reached" and closes the connection. Mostly only the end of the connection arrives. */
function explain({ status }: Redis, error: Error & { code?: string }): Error {
  if (status !== 'connect' || !(error.code === 'EPIPE' || error.code === 'ECONNRESET')) return error
  return turnedAway(error)
}

/** If Redis closes a connection before it has answered, there may be no error at all. */
function noteWhenTurnedAway(connection: Redis): void {
  let isUnanswered = false
  connection.on('connect', () => {
    isUnanswered = true
  })
  for (const event of ['ready', 'error'])
    connection.on(event, () => {
      isUnanswered = false
    })
  connection.on('close', () => {
    if (isUnanswered) problems.set(connection, turnedAway())
  })
}

function turnedAway(cause?: Error): Error {
  return new OwnError(
    'Redis closed the connection at once, as it does when it has as many as it may (maxclients: max number of clients reached)',
    { cause },
  )
}

function checkConnection(redis: Redis): void {
  const { duplicate, defineCommand, isCluster, options } = (redis ?? {}) as Partial<Redis>
  if (isCluster)
    throw new ConfigurationError(
      'redis: expected a connection to one Redis, got an ioredis Cluster; Redis Cluster is not supported, so give a Redis of ioredis that reaches a server with cluster mode off (docs/providers.md)',
    )
  if (typeof duplicate !== 'function' || typeof defineCommand !== 'function' || typeof options !== 'object')
    throw new ConfigurationError(`redis: expected a connection of ioredis, got ${redis === null ? 'null' : typeof redis}`)
  if (options.keyPrefix)
    throw new ConfigurationError('redis: expected a connection without keyPrefix, which BullMQ cannot use (set namespace instead)')
  if (options.role === 'slave')
    throw new ConfigurationError("redis: expected a connection to the primary, got the option role: 'slave'; a replica takes no writes")
}

/** ioredis uses its default for an option that is undefined. */
function reachingOptions(given: RedisOptions): Partial<RedisOptions> {
  const taken = Object.fromEntries(REACHING.map((name) => [name, given[name]]))
  const connectTimeout = Math.max(given.connectTimeout ?? 0, CONNECT_TIMEOUT)
  // The application's connector may have options that only it knows.
  if (given.Connector) return { ...taken, connectTimeout, Connector: persistent(given.Connector as Connector, retryDelay) as never }
  const others = Object.fromEntries(Object.keys(given).map((name) => [name, undefined]))
  return { ...others, ...taken, connectTimeout }
}

/** Ms before an attempt to connect. It never gives up. */
function retryDelay(attempt: number): number {
  return Math.min(50 * attempt, 500)
}
