import type { Redis } from 'ioredis'
import type { Database, Dialect, SqlClient } from './database/database.js'
import { dialectOf } from './database/dialects.js'
import { ConfigurationError, UnavailableError } from './errors.js'
import { createEvents, type Events } from './events.js'
import { Barrier } from './flush/barrier.js'
import { Flusher, type FlushLimits } from './flush/flusher.js'
import { Limit } from './flush/limit.js'
import { Scheduler } from './flush/scheduler.js'
import { Sweeper } from './flush/sweeper.js'
import { FlushWorker } from './flush/worker.js'
import type { Model, Models } from './model/model.js'
import { ModelCache } from './model-cache.js'
import { type Options, type Policy, type ResolvedOptions, type ResolvedPolicy, resolveOptions, resolvePolicy } from './options.js'
import { Holds } from './read/holds.js'
import { Inspector } from './read/inspector.js'
import { Reader } from './read/reader.js'
import { redact } from './redaction.js'
import { type Connect, connectLike, problemOf } from './redis/connection.js'
import { ShardNames } from './redis/keys.js'
import { checkPermissions, watchPermissions } from './redis/permissions.js'
import { named } from './redis/reply.js'
import { disconnect, RetryingConnection } from './redis/retrying-connection.js'
import { Safety } from './redis/safety.js'
import { Store } from './redis/store.js'
import { checkClock } from './start/clock.js'
import { Confirmation } from './start/confirmation.js'
import { drainSwitched } from './start/drain.js'
import { checkShardCount } from './start/shard-count.js'
import { loadQueueTelemetry, type QueueTelemetry } from './telemetry/queue-telemetry.js'
import { loadTelemetry, type Telemetry } from './telemetry/telemetry.js'
import { DirectWriter } from './write/direct-writer.js'
import { type Calls, Writer } from './write/writer.js'
import { type Part, WriteBehind } from './write-behind.js'

const QUEUE_CONNECTION = {
  /** One that answers nothing for so long is dead: its jobs would hold their shards for ever. Longer than BullMQ blocks, 10 s. */
  socketTimeout: 15_000,
}

/** A hold lasts as long as so many statements may take. */
const HOLD_STATEMENTS = 2
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

  const dialect = dialectOf(resolved.map(({ name }) => models[name] as Model))
  const events = createEvents()
  const connections: Redis[] = []
  const connect = connectLike(redis, events, connections)
  try {
    return await assemble({ prisma, models, resolved, options, events, connections, connect, dialect })
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
  readonly dialect: Dialect
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
    limits: { claims: new Limit(CLAIMS_UNDER_WAY), statements: new Limit(options.concurrency) },
  }
  const parts = resolved.map(({ name, policy }) => assemblePart(shared, name, models[name] as Model, policy))
  shared.barrier.serve(parts)
  await drainSwitched(parts, shared.barrier)
  const cache = new WriteBehind(events, parts, shared.barrier, calls, retrying, connections)
  for (const part of parts) Object.defineProperty(cache, part.name, { value: part.cache, enumerable: true })
  return cache as unknown as Cache<M, P>
}

function confirmationOf(
  { prisma, models, resolved, options, events, dialect }: Assembly<Models>,
  calls: Calls & { redis: Redis },
  retrying: readonly RetryingConnection[],
): Confirmation {
  const used = resolved.map(({ name }) => models[name] as Model)
  return new Confirmation({ ...options, prisma, dialect, models: used, calls, retrying, events })
}

interface Shared extends Pick<Assembly<Models>, 'prisma' | 'options' | 'events' | 'connect' | 'dialect'> {
  /** For the application's calls, whose latency counts: apart from the flushes' connection. */
  readonly calls: Calls & { readonly redis: Redis }
  /** The same, and more of its kind. */
  readonly writes: readonly Calls[]
  readonly safety: Safety
  readonly store: Store
  readonly queueConnection: Redis
  readonly telemetry: Telemetry | undefined
  readonly queueTelemetry: QueueTelemetry
  readonly limits: FlushLimits
  readonly barrier: Barrier
}

function assemblePart(shared: Shared, name: string, model: Model, policy: ResolvedPolicy): Part {
  const { prisma, dialect, options, events, connect, store, limits, barrier, telemetry, queueTelemetry } = shared
  const { namespace, concurrency, sweepInterval, writeTimeout, statementTimeout } = options
  const shards = new ShardNames(namespace, model.name, policy.shards)
  const database = dialect.database(prisma, model, statementTimeout)
  const scheduler = new Scheduler(namespace, model.name, policy, shared.queueConnection, queueTelemetry)
  scheduler.queue.on('error', (error) => events.emit('failure', { step: 'queue', model: model.name, error }))
  const flusher = new Flusher({ model, policy, shards, store, database, events, limits, telemetry })
  const reader = assembleReader(shared, model, policy, shards, database)
  const holds = assembleHolds(shared, model, policy, shards, reader)
  const flush = (key: string) => barrier.flushRecord({ name, model, shards, flusher }, key, performance.now() + statementTimeout, () => {})
  const writer = policy.strategy === 'write-behind' ? assembleWriter(shared, model, policy, shards, scheduler) : undefined
  const common = { model: model.name, policy, shards, store, scheduler, events }
  return {
    name,
    model,
    policy,
    shards,
    scheduler,
    flusher,
    holds,
    writer,
    reader,
    cache: new ModelCache({
      model,
      shards: policy.shards,
      writer: writer ?? new DirectWriter({ model, database, holds, flush }),
      reader,
      inspector: new Inspector({ ...shared.calls, model, shards }),
      holds,
    }),
    worker: new FlushWorker({
      ...common,
      namespace,
      concurrency,
      timeout: writeTimeout,
      flusher,
      queueTelemetry,
      connect: () => connect(QUEUE_CONNECTION),
    }),
    sweeper: new Sweeper({ ...common, interval: sweepInterval, flusher }),
  }
}

function assembleWriter(
  { writes, safety, events, telemetry }: Shared,
  model: Model,
  policy: ResolvedPolicy,
  shards: ShardNames,
  scheduler: Scheduler,
): Writer {
  return new Writer({
    calls: writes,
    safety,
    events,
    telemetry,
    model: model.name,
    shards,
    limits: {
      debounce: policy.debounce,
      maxWait: policy.maxWait,
      maxDirty: Math.ceil(policy.maxDirty / policy.shards),
      maxBytes: policy.maxRecordSize,
      nameClean: policy.jobs === 'record',
    },
    // Nothing is lost without the alarm: the sweeper finds the shard.
    onDirty: (shard, keys) =>
      void scheduler.wake(shard, keys).catch((error: Error) => events.emit('failure', { step: 'schedule', model: model.name, error })),
  })
}

function assembleReader({ calls, events }: Shared, model: Model, policy: ResolvedPolicy, shards: ShardNames, database: Database): Reader {
  return new Reader({
    ...calls,
    model,
    shards,
    ttl: { view: policy.viewTtl, missing: policy.missingTtl },
    snapshot: (shard, keys) => database.snapshot(shards.ledger(shard), keys),
    onAdopted: (shard, ledger) => void events.emit('adopted', { model: model.name, shard, batch: undefined, ledger }),
  })
}

function assembleHolds(
  { calls, events, options, dialect }: Shared,
  model: Model,
  policy: ResolvedPolicy,
  shards: ShardNames,
  reader: Reader,
): Holds {
  return new Holds({
    ...calls,
    events,
    model: model.name,
    shards,
    ttl: HOLD_STATEMENTS * options.statementTimeout,
    classify: dialect.classify,
    load: policy.strategy === 'write-through' ? (keys) => reader.load(keys) : undefined,
  })
}
