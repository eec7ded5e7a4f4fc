import type { Redis } from 'ioredis'
import { createCachedModel, QUEUE_CONNECTION, type Shared } from './cached-model.js'
import type { SqlClient } from './database/postgresql/database.js'
import { ConfigurationError, UnavailableError } from './errors.js'
import { createEvents, type Events } from './events.js'
import { Barrier } from './flush/barrier.js'
import { Semaphore } from './flush/semaphore.js'
import type { Model, Models } from './model/model.js'
import type { ModelCache } from './model-cache.js'
import { type Options, type Policy, type ResolvedOptions, type ResolvedPolicy, resolveOptions, resolvePolicy } from './options.js'
import { redact } from './redaction.js'
import { type Connect, connectLike, problemOf } from './redis/connection.js'
import { checkPermissions, watchPermissions } from './redis/permissions.js'
import { named } from './redis/refusal.js'
import { disconnect, RetryingConnection } from './redis/retrying-connection.js'
import { Safety } from './redis/safety.js'
import { Store } from './redis/store.js'
import { checkClock } from './start/clock.js'
import { Confirmation } from './start/confirmation.js'
import { drainSwitched } from './start/drain.js'
import { checkShardCount } from './start/shard-count.js'
import { loadQueueTelemetry, loadTelemetry } from './telemetry/load.js'
import type { Calls } from './write/writer.js'
import { WriteBehind } from './write-behind.js'

/**
 * Redis answers what has arrived by a connection when it has carried out all of it. With one connection it and the application take
 * turns, each waiting for the other; with four, both were busy 90 % of the time (docs/performance.md).
 */
const WRITE_CONNECTIONS = 4
/** Redis answers what came together when the last of it is done: the database would wait for the claims of all shards. Two keep Redis busy. */
const CLAIMS_UNDER_WAY = 2
/** Redis is asked whether it is safe once in so many sweeps. */
const SWEEPS_PER_LOOK = 5

export type Policies<M extends Models> = { readonly [N in keyof M]?: Policy }

export interface Setup<M extends Models, P extends Policies<M>> extends Options {
  /** The application's Prisma client, without the extension of the cache; only `$queryRawUnsafe` and `$transaction` are used. */
  readonly prisma: SqlClient
  /**
   * A connection to copy the address of: host, user, password, TLS, database, Sentinels. Its other settings, as `retryStrategy` and
   * `commandTimeout`, are not used, and neither is the connection itself, which stays yours to close.
   */
  readonly redis: Redis
  /** What the generator emitted. */
  readonly models: M
  /** The models to write behind, by the name of their delegate, and how; `{}` for the defaults. */
  readonly policies: P
}

/** The cache: `cache.pageView.increment(…)` for every model with a policy, and the calls of WriteBehind. */
export type Cache<M extends Models, P extends Policies<M>> = WriteBehind<Pick<M, keyof M & keyof P>> & {
  readonly [N in keyof M & keyof P]: ModelCache<M[N]>
}

/**
 * Connects, and checks that this Redis is safe to write to. Records of models whose strategy is write-behind no more are flushed first, for up to
 * 30 s a model.
 * @throws ConfigurationError when options, policies or models cannot work as given, or such records are refused by the database
 * @throws UnsafeRedisError when Redis would lose dirty data (eviction policy), is too old, a replica, or a node of a Redis Cluster
 * @throws UnavailableError when Redis cannot be reached
 * @throws PersistError, TimeoutError when such records could not be flushed
 */
export async function createWriteBehind<const M extends Models, const P extends Policies<M>>(setup: Setup<M, P>): Promise<Cache<M, P>> {
  const { prisma, redis, models, policies, ...given } = setup
  const options = resolveOptions(given)
  const resolved = Object.entries(policies).map(([name, policy]) => ({ name, policy: resolvePolicy(models, name, policy ?? {}) }))
  const clash = resolved.find(({ name }) => name in WriteBehind.prototype || name === 'events')
  if (clash !== undefined) throw new ConfigurationError(`policies: a model named ${clash.name} would hide cache.${clash.name}`)

  const events = createEvents()
  const connections: Redis[] = []
  const connect = connectLike(redis, events, connections)
  try {
    return await assemble({ prisma, models, resolved, options, events, connections, connect })
  } catch (error) {
    for (const connection of connections) disconnect(connection)
    throw redact(error)
  }
}

interface Assembly<M extends Models> {
  readonly prisma: SqlClient
  readonly models: M
  readonly resolved: readonly { name: string; policy: ResolvedPolicy }[]
  readonly options: ResolvedOptions
  readonly events: Events
  readonly connections: readonly Redis[]
  readonly connect: Connect
}

/**
 * Commands that are under way when the connection is lost would never end without the connection.
 * @throws UnavailableError when Redis cannot be reached
 */
async function openCalls(connect: Connect, timeout: number): Promise<Calls & { redis: Redis }> {
  const redis = connect(RetryingConnection.OPTIONS)
  const calls = { redis, connection: new RetryingConnection(redis, timeout), store: new Store(redis) }
  // ioredis' own says only that the connection is closed.
  await redis.connect().catch((error) => {
    throw new UnavailableError(undefined, named(problemOf(redis) ?? error))
  })
  return calls
}

async function assemble<M extends Models, P extends Policies<M>>(assembly: Assembly<M>): Promise<Cache<M, P>> {
  const { models, resolved, options, events, connections, connect } = assembly
  const { writeTimeout, onUnsafeRedis, sweepInterval } = options
  const calls = await openCalls(connect, writeTimeout)
  await checkPermissions(calls.redis, calls.connection, options.namespace)
  const safety = new Safety({ events, onUnsafeRedis, interval: SWEEPS_PER_LOOK * sweepInterval })
  await safety.start(calls.redis, calls.connection)

  const others = Array.from({ length: WRITE_CONNECTIONS - 1 }, () => openCalls(connect, writeTimeout))
  const [telemetry, queueTelemetry, ...writes] = await Promise.all([loadTelemetry(), loadQueueTelemetry(), ...others])
  const retrying = [calls, ...writes].map(({ connection }) => connection)
  const confirmation = await confirmationOf(assembly, calls, retrying).start()
  await checkClock(calls, Math.min(...resolved.map(({ policy }) => policy.maxWait)))
  for (const { name, policy } of resolved) await checkShardCount(calls, options.namespace, (models[name] as Model).name, policy.shards)
  for (const { redis, connection } of writes) safety.watch(redis, connection)
  for (const { redis, connection } of [calls, ...writes])
    watchPermissions(
      redis,
      connection,
      options.namespace,
      (error) => void events.emit('failure', { step: 'safety', model: undefined, error }),
    )
  const flushes = connect({ socketTimeout: writeTimeout })
  const store = new Store(flushes)
  const shared: Shared = {
    ...assembly,
    prisma: confirmation.client,
    telemetry,
    queueTelemetry,
    calls,
    writes: [calls, ...writes],
    safety,
    store,
    barrier: new Barrier(
      store,
      events,
      () => problemOf(flushes),
      () => confirmation.ready(),
    ),
    queueConnection: connect(QUEUE_CONNECTION),
    limits: { claims: new Semaphore(CLAIMS_UNDER_WAY), statements: new Semaphore(options.concurrency) },
  }
  const cached = resolved.map(({ name, policy }) => createCachedModel(shared, name, models[name] as Model, policy))
  shared.barrier.serve(cached)
  await drainSwitched(cached, shared.barrier)
  const cache = new WriteBehind(events, cached, shared.barrier, calls, retrying, connections)
  for (const { name, cache: value } of cached) Object.defineProperty(cache, name, { value, enumerable: true })
  return cache as unknown as Cache<M, P>
}

function confirmationOf(
  { prisma, models, resolved, options, events }: Assembly<Models>,
  calls: Calls & { redis: Redis },
  retrying: readonly RetryingConnection[],
): Confirmation {
  const used = resolved.map(({ name }) => models[name] as Model)
  return new Confirmation({ ...options, prisma, models: used, calls, retrying, events })
}
