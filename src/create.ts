import type { Redis } from 'ioredis'
import { createCachedModel, QUEUE_CONNECTION, type Shared } from './cached-model.js'
import type { Dialect, SqlClient } from './database/database.js'
import { dialectOf } from './database/dialects.js'
import { ConfigurationError } from './errors.js'
import { createEvents, type Events } from './events.js'
import { Barrier } from './flush/barrier.js'
import { Semaphore } from './flush/semaphore.js'
import { describe } from './model/describe.js'
import { isObject } from './model/key.js'
import type { Model, Models } from './model/model.js'
import type { ModelCache } from './model-cache.js'
import { type Options, type Policy, type ResolvedOptions, type ResolvedPolicy, resolveOptions, resolvePolicy } from './options.js'
import { redact } from './redaction.js'
import { problemOf } from './redis/connection.js'
import { identityKey } from './redis/keys.js'
import { Store } from './redis/store.js'
import type { Stoppable } from './service.js'
import { checkClock } from './start/clock.js'
import { Confirmation } from './start/confirmation.js'
import { Connections } from './start/connections.js'
import { drainSwitched } from './start/drain.js'
import { checkShardCount } from './start/shard-count.js'
import { loadQueueTelemetry, loadTelemetry } from './telemetry/load.js'
import { WriteBehind } from './write-behind.js'

/**
 * How many claims are sent to Redis at the same time. If commands arrive together, Redis sends all answers only after the last command. So with more
 * claims, the database would wait for the claims of all shards. Two claims keep Redis busy.
 */
const CLAIMS_UNDER_WAY = 2

export type Policies<M extends Models> = { readonly [N in keyof M]?: Policy }

export interface Setup<M extends Models, P extends Policies<M>> extends Options {
  /** The Prisma client of the application, without the extension of the cache. Only its `$queryRawUnsafe` and `$transaction` are used. */
  readonly prisma: SqlClient
  /**
   * A connection whose address is copied: host, user, password, TLS, database, Sentinels. Its other settings, such as `retryStrategy` and
   * `commandTimeout`, are ignored. The connection itself is not used; it remains yours to close.
   */
  readonly redis: Redis
  /** The `models` of the generated file. */
  readonly models: M
  /** The models to cache, by the name of their delegate (`pageView`), each with its policy; `{}` takes the defaults. */
  readonly policies: P
}

/** The cache: `cache.pageView.increment(…)` for every model with a policy, and the calls of WriteBehind. */
export type Cache<M extends Models, P extends Policies<M>> = WriteBehind<Pick<M, keyof M & keyof P>> & {
  readonly [N in keyof M & keyof P]: ModelCache<M[N]>
}

/**
 * Connects to Redis, checks that it is safe to write to, and confirms that the database is the one that the namespace belongs to. If a model had the
 * strategy `write-behind` and has another one now, its dirty records are flushed first, for up to 30 s.
 * @throws ConfigurationError when options, policies or models cannot work as given, when the database is another one or does not fit the schema, or when it
 * refuses records of a model whose strategy was changed
 * @throws UnsafeRedisError when Redis could lose writes (eviction policy), is too old, is a replica or a node of a Redis Cluster, or denies a right
 * @throws UnavailableError when Redis cannot be reached
 * @throws PersistError, TimeoutError when records of a model whose strategy was changed could not be flushed
 */
export async function createWriteBehind<const M extends Models, const P extends Policies<M>>(setup: Setup<M, P>): Promise<Cache<M, P>> {
  checkSetup(setup)
  const { prisma, redis, models, policies, ...given } = setup
  const options = resolveOptions(given)
  const resolved = Object.entries(policies).map(([name, policy]) => ({ name, policy: resolvePolicy(models, name, policy ?? {}) }))
  const clash = resolved.find(({ name }) => name in WriteBehind.prototype || name === 'events')
  if (clash !== undefined)
    throw new ConfigurationError(
      `policies: the model ${clash.name} would hide cache.${clash.name}; rename it in the Prisma schema, or leave it out`,
    )

  const dialect = dialectOf(resolved.map(({ name }) => models[name] as Model))
  const events = createEvents()
  const connections = new Connections(redis, events, options)
  const services: Stoppable[] = [connections]
  try {
    return await assemble({ prisma, models, resolved, options, events, connections, services, dialect })
  } catch (error) {
    for (const service of services) void service.stop()
    throw redact(error)
  }
}

/** @throws ConfigurationError that names the part, what it expects, and what it got. Connections checks `redis` */
function checkSetup(setup: Partial<Record<keyof Setup<Models, Policies<Models>>, unknown>>): void {
  const expect = (isMet: boolean, part: string, expected: string, got: unknown) => {
    if (!isMet) throw new ConfigurationError(`${part}: expected ${expected}, got ${describe(got)}`)
  }
  expect(isObject(setup), 'createWriteBehind', '{ prisma, redis, models, policies }', setup)
  const { prisma, models, policies } = setup
  expect(typeof (prisma as Partial<SqlClient> | undefined)?.$queryRawUnsafe === 'function', 'prisma', 'a Prisma client', prisma)
  expect(isObject(models), 'models', 'the models of the generated file', models)
  expect(isObject(policies), 'policies', 'an object with a policy for each model to cache', policies)
  for (const [name, policy] of Object.entries(policies as object))
    expect(policy === undefined || isObject(policy), `policies.${name}`, 'an object', policy)
}

interface Assembly<M extends Models> {
  readonly prisma: SqlClient
  readonly models: M
  readonly resolved: readonly { name: string; policy: ResolvedPolicy }[]
  readonly options: ResolvedOptions
  readonly events: Events
  readonly connections: Connections
  /** The parts that were started. A close stops them, and so does a start that fails. */
  readonly services: Stoppable[]
  readonly dialect: Dialect
}

async function assemble<M extends Models, P extends Policies<M>>(assembly: Assembly<M>): Promise<Cache<M, P>> {
  const { models, resolved, options, events, connections, services } = assembly
  const [telemetry, queueTelemetry] = await Promise.all([loadTelemetry(), loadQueueTelemetry(), connections.start()])
  const confirmation = await confirm(assembly)
  const flushes = options.role === 'writer' ? connections.calls.redis : connections.connect({ socketTimeout: options.writeTimeout })
  const store = options.role === 'writer' ? connections.calls.store : new Store(flushes)
  const barrier = new Barrier(
    store,
    events,
    () => problemOf(flushes),
    () => confirmation.ready(),
  )
  const shared: Shared = {
    prisma: confirmation.client,
    dialect: assembly.dialect,
    options,
    events,
    connections,
    telemetry,
    queueTelemetry,
    store,
    barrier,
    queueConnection: connections.connect(QUEUE_CONNECTION),
    limits: { claims: new Semaphore(CLAIMS_UNDER_WAY), statements: new Semaphore(options.concurrency) },
  }
  const cached = resolved.map(({ name, policy }) => createCachedModel(shared, name, models[name] as Model, policy))
  barrier.serve(cached)
  await drainSwitched(cached, barrier)
  const cache = new WriteBehind({ events, models: cached, barrier, calls: connections.calls, role: options.role, services })
  for (const { name, cache: value } of cached) Object.defineProperty(cache, name, { value, enumerable: true })
  return cache as unknown as Cache<M, P>
}

/** The checks before anything is written or flushed. */
async function confirm({
  prisma,
  models,
  resolved,
  options,
  events,
  connections,
  services,
  dialect,
}: Assembly<Models>): Promise<Confirmation> {
  const { calls } = connections
  const used = resolved.map(({ name, policy }) => ({ model: models[name] as Model, policy }))
  const refuse = (error: ConfigurationError) => connections.refuse(error)
  const confirmation = new Confirmation({ ...options, prisma, dialect, models: used.map(({ model }) => model), calls, refuse, events })
  services.push(confirmation)
  await confirmation.start()
  await checkClock(calls, identityKey(options.namespace), Math.min(...used.map(({ policy }) => policy.maxWait)))
  for (const { model, policy } of used) await checkShardCount(calls, options.namespace, model.name, policy.shards)
  return confirmation
}
