import type { Redis, RedisOptions } from 'ioredis'
import { Database, type SqlClient } from './database/database.js'
import { ConfigurationError, UnavailableError } from './errors.js'
import { createEvents, type Events } from './events.js'
import { Barrier } from './flush/barrier.js'
import { Flusher, type FlushLimits } from './flush/flusher.js'
import { Limit } from './flush/limit.js'
import { Scheduler } from './flush/scheduler.js'
import { Sweeper } from './flush/sweeper.js'
import { FlushWorker } from './flush/worker.js'
import { ModelCache } from './model-cache.js'
import { type Options, type Policy, type ResolvedOptions, type ResolvedPolicy, resolveOptions, resolvePolicy } from './options.js'
import { Inspector } from './redis/inspector.js'
import { ShardNames } from './redis/keys.js'
import { disconnect, Link } from './redis/link.js'
import { Reader } from './redis/reader.js'
import { checkRedis, checkShardCount } from './redis/safety.js'
import { Store } from './redis/store.js'
import { type Calls, Writer } from './redis/writer.js'
import type { Model, Models } from './schema/model.js'
import { DirectWriter } from './strategies/direct-writer.js'
import { drainSwitched } from './strategies/drain.js'
import { Holds } from './strategies/holds.js'
import { loadQueueTelemetry, type QueueTelemetry } from './telemetry/queue-telemetry.js'
import { loadTelemetry, type Telemetry } from './telemetry/telemetry.js'
import { type Part, WriteBehind } from './write-behind.js'

const QUEUE_CONNECTION = {
  /** One that answers nothing for so long is dead: its jobs would hold their shards for ever. Longer than BullMQ blocks, 10 s. */
  socketTimeout: 15_000,
  /** BullMQ gives one up for good that it opens itself, if Redis is away just then. */
  lazyConnect: false,
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

export type Policies<M extends Models> = { readonly [N in keyof M]?: Policy }

export interface Setup<M extends Models, P extends Policies<M>> extends Options {
  /** The application's Prisma client, without the extension of the cache; only `$queryRawUnsafe` and `$transaction` are used. */
  readonly prisma: SqlClient
  /** A connection to copy the settings of; it is not used itself, and stays yours to close. */
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
 * @throws UnsafeRedisError when Redis would lose dirty data (eviction policy), or is too old
 * @throws UnavailableError when Redis cannot be reached
 * @throws PersistError, TimeoutError when such records could not be flushed
 */
export async function createWriteBehind<const M extends Models, const P extends Policies<M>>(setup: Setup<M, P>): Promise<Cache<M, P>> {
  const { prisma, redis, models, policies, ...given } = setup
  const options = resolveOptions(given)
  const resolved = Object.entries(policies).map(([name, policy]) => ({ name, policy: resolvePolicy(models, name, policy ?? {}) }))
  const clash = resolved.find(({ name }) => name in WriteBehind.prototype || name === 'events')
  if (clash !== undefined) throw new ConfigurationError(`policies: a model named ${clash.name} would hide cache.${clash.name}`)
  if (redis.options.keyPrefix)
    throw new ConfigurationError('redis: expected a connection without keyPrefix, which BullMQ cannot use (set namespace instead)')

  const events = createEvents()
  const connections: Redis[] = []
  const connect = (overrides: Partial<RedisOptions>): Redis => {
    const connection = redis.duplicate({ maxRetriesPerRequest: null, ...overrides })
    connection.on('error', (error) => events.emit('failure', { step: 'redis', model: undefined, error }))
    connections.push(connection)
    return connection
  }
  try {
    return await assemble({ prisma, models, resolved, options, events, connections, connect })
  } catch (error) {
    for (const connection of connections) disconnect(connection)
    throw error
  }
}

interface Assembly<M extends Models> {
  readonly prisma: SqlClient
  readonly models: M
  readonly resolved: readonly { name: string; policy: ResolvedPolicy }[]
  readonly options: ResolvedOptions
  readonly events: Events
  readonly connections: readonly Redis[]
  connect(overrides: Partial<RedisOptions>): Redis
}

/**
 * Commands that are under way when the connection is lost would never end without the link.
 * @throws UnavailableError when Redis cannot be reached
 */
async function openCalls(connect: Assembly<Models>['connect'], timeout: number): Promise<Calls & { redis: Redis }> {
  const redis = connect(Link.options(timeout))
  let problem: Error | undefined
  redis.once('error', (error) => {
    problem = error
  })
  await redis.connect().catch((error) => {
    // ioredis' own says only that the connection is closed.
    throw new UnavailableError(undefined, problem ?? error)
  })
  return { redis, link: new Link(redis, timeout), store: new Store(redis) }
}

async function assemble<M extends Models, P extends Policies<M>>(assembly: Assembly<M>): Promise<Cache<M, P>> {
  const { models, resolved, options, events, connections, connect } = assembly
  const calls = await openCalls(connect, options.writeTimeout)
  for (const warning of await checkRedis(calls.redis, calls.link)) process.emitWarning(warning, { code: 'WRITE_BEHIND' })
  for (const { name, policy } of resolved)
    await checkShardCount(calls.redis, calls.link, options.namespace, (models[name] as Model).name, policy.shards)

  const others = Array.from({ length: WRITE_CONNECTIONS - 1 }, () => openCalls(connect, options.writeTimeout))
  const [telemetry, queueTelemetry, ...writes] = await Promise.all([loadTelemetry(), loadQueueTelemetry(), ...others])
  const store = new Store(connect({ socketTimeout: options.writeTimeout }))
  const shared: Shared = {
    ...assembly,
    telemetry,
    queueTelemetry,
    calls,
    writes: [calls, ...writes],
    store,
    barrier: new Barrier(store, events),
    queueConnection: connect(QUEUE_CONNECTION),
    limits: { claims: new Limit(CLAIMS_UNDER_WAY), statements: new Limit(options.concurrency) },
  }
  const parts = resolved.map(({ name, policy }) => assemblePart(shared, name, models[name] as Model, policy))
  await drainSwitched(parts, shared.barrier)
  const links = shared.writes.map(({ link }) => link)
  const cache = new WriteBehind(events, parts, shared.barrier, calls, links, connections)
  for (const part of parts) Object.defineProperty(cache, part.name, { value: part.cache, enumerable: true })
  return cache as unknown as Cache<M, P>
}

interface Shared extends Pick<Assembly<Models>, 'prisma' | 'options' | 'events' | 'connect'> {
  /** For the application's calls, whose latency counts: apart from the flushes' connection. */
  readonly calls: Calls
  /** The same, and more of its kind. */
  readonly writes: readonly Calls[]
  readonly store: Store
  readonly queueConnection: Redis
  readonly telemetry: Telemetry | undefined
  readonly queueTelemetry: QueueTelemetry
  readonly limits: FlushLimits
  readonly barrier: Barrier
}

function assemblePart(shared: Shared, name: string, model: Model, policy: ResolvedPolicy): Part {
  const { prisma, options, events, connect, store, limits, barrier, telemetry, queueTelemetry } = shared
  const { namespace, concurrency, sweepInterval, writeTimeout, statementTimeout } = options
  const shards = new ShardNames(namespace, model.name, policy.shards)
  const database = new Database(prisma, model, statementTimeout)
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
    sweeper: new Sweeper({ ...common, interval: sweepInterval }),
  }
}

function assembleWriter(
  { writes, events, telemetry }: Shared,
  model: Model,
  policy: ResolvedPolicy,
  shards: ShardNames,
  scheduler: Scheduler,
): Writer {
  return new Writer({
    calls: writes,
    events,
    telemetry,
    model: model.name,
    shards,
    limits: {
      debounce: policy.debounce,
      maxWait: policy.maxWait,
      mostDirty: Math.ceil(policy.maxDirty / policy.shards),
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
  { calls, events, options }: Shared,
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
    load: policy.strategy === 'write-through' ? (keys) => reader.load(keys) : undefined,
  })
}
