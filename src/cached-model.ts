import type { Redis } from 'ioredis'
import type { Database, Dialect, SqlClient } from './database/database.js'
import type { Events } from './events.js'
import type { Barrier } from './flush/barrier.js'
import { Flusher, type FlushLimits } from './flush/flusher.js'
import { Scheduler } from './flush/scheduler.js'
import { Sweeper } from './flush/sweeper.js'
import { FlushWorker } from './flush/worker.js'
import type { Model } from './model/model.js'
import { ModelCache } from './model-cache.js'
import type { ResolvedOptions, ResolvedPolicy } from './options.js'
import { Holds } from './read/holds.js'
import { Inspector } from './read/inspector.js'
import { Reader } from './read/reader.js'
import { ShardNames } from './redis/keys.js'
import type { Store } from './redis/store.js'
import type { Connections } from './start/connections.js'
import type { QueueTelemetry } from './telemetry/queue-telemetry.js'
import type { Telemetry } from './telemetry/telemetry.js'
import { DirectWriter } from './write/direct-writer.js'
import { Writer } from './write/writer.js'

/** Options of the connections that BullMQ uses. */
export const QUEUE_CONNECTION = {
  /**
   * Ms after which a dead connection is given up. Until then a job on this connection keeps its shard. The time must be longer than the 10 s for
   * which BullMQ blocks.
   */
  socketTimeout: 15_000,
}

/** A hold lasts for as long as this many statements may take. */
const HOLD_STATEMENTS = 2

/** All parts that serve one model. Each consumer declares the few members that it needs in an interface of its own. */
export interface CachedModel {
  /** Name of the model's delegate: `pageView` for the model PageView. */
  readonly name: string
  readonly model: Model
  readonly policy: ResolvedPolicy
  readonly shards: ShardNames
  readonly cache: ModelCache
  readonly reader: Reader
  readonly holds: Holds
  /** Only with the strategy `write-behind`. */
  readonly writer: Writer | undefined
  readonly flusher: Flusher
  readonly scheduler: Scheduler
  readonly worker: FlushWorker
  readonly sweeper: Sweeper
}

/** What all cached models of a cache share. */
export interface Shared {
  readonly prisma: SqlClient
  readonly dialect: Dialect
  readonly options: ResolvedOptions
  readonly events: Events
  /** The connections for the application's calls. Flushes have a connection of their own, because the latency of the calls counts. */
  readonly connections: Connections
  /** For flushes. */
  readonly store: Store
  readonly queueConnection: Redis
  readonly telemetry: Telemetry | undefined
  readonly queueTelemetry: QueueTelemetry
  readonly limits: FlushLimits
  readonly barrier: Barrier
}

export function createCachedModel(shared: Shared, name: string, model: Model, policy: ResolvedPolicy): CachedModel {
  const { prisma, dialect, options, events, store, limits, barrier, telemetry, queueTelemetry } = shared
  const shards = new ShardNames(options.namespace, model.name, policy.shards)
  const database = dialect.database(prisma, model, options.statementTimeout)
  const scheduler = new Scheduler(options.namespace, model.name, policy, shared.queueConnection, queueTelemetry)
  scheduler.queue.on('error', (error) => events.emit('failure', { step: 'queue', model: model.name, error }))
  const flusher = new Flusher({ model, policy, shards, store, database, events, limits, telemetry })
  const reader = createReader(shared, model, policy, shards, database)
  const holds = createHolds(shared, model, policy, shards, reader)
  const flush = (key: string) =>
    barrier.flushRecord({ name, model, shards, flusher }, key, performance.now() + options.statementTimeout, () => {})
  const writer = policy.strategy === 'write-behind' ? createWriter(shared, model, policy, shards, scheduler) : undefined
  const cache = new ModelCache({
    model,
    shards: policy.shards,
    writer: writer ?? new DirectWriter({ model, database, holds, flush }),
    reader,
    inspector: new Inspector({ ...shared.connections.calls, model, shards }),
    holds,
  })
  const flushing = createFlushing(shared, { model: model.name, policy, shards, store, scheduler, events, flusher })
  return { name, model, policy, shards, cache, reader, holds, writer, flusher, scheduler, ...flushing }
}

function createReader(
  { connections, events }: Shared,
  model: Model,
  policy: ResolvedPolicy,
  shards: ShardNames,
  database: Database,
): Reader {
  return new Reader({
    ...connections.calls,
    model,
    shards,
    ttl: { view: policy.viewTtl, missing: policy.missingTtl },
    snapshot: (shard, keys) => database.snapshot(shards.ledger(shard), keys),
    onAdopted: (shard, ledger) => void events.emit('adopted', { model: model.name, shard, batch: undefined, ledger }),
  })
}

function createHolds(
  { connections, events, options, dialect }: Shared,
  model: Model,
  policy: ResolvedPolicy,
  shards: ShardNames,
  reader: Reader,
): Holds {
  return new Holds({
    ...connections.calls,
    events,
    model: model.name,
    shards,
    ttl: HOLD_STATEMENTS * options.statementTimeout,
    classify: dialect.classify,
    load: policy.strategy === 'write-through' ? (keys) => reader.load(keys) : undefined,
  })
}

function createWriter(shared: Shared, model: Model, policy: ResolvedPolicy, shards: ShardNames, scheduler: Scheduler): Writer {
  const { connections, events, telemetry } = shared
  return new Writer({
    calls: connections.writes,
    safety: connections.safety,
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
    // Nothing is lost when no job can be scheduled, because the sweeper finds the shard.
    onDirty: (shard, keys) =>
      void scheduler.wake(shard, keys).catch((error: Error) => events.emit('failure', { step: 'schedule', model: model.name, error })),
  })
}

type Flushing = Pick<Shared, 'store' | 'events'> & { readonly model: string } & Pick<
    CachedModel,
    'policy' | 'shards' | 'scheduler' | 'flusher'
  >

/** What runs only where startWorker() was called. */
function createFlushing({ options, queueTelemetry, connections }: Shared, flushing: Flushing): Pick<CachedModel, 'worker' | 'sweeper'> {
  const { namespace, concurrency, writeTimeout, sweepInterval } = options
  return {
    worker: new FlushWorker({
      ...flushing,
      namespace,
      concurrency,
      timeout: writeTimeout,
      queueTelemetry,
      connect: () => connections.connect(QUEUE_CONNECTION),
    }),
    sweeper: new Sweeper({ ...flushing, interval: sweepInterval }),
  }
}
