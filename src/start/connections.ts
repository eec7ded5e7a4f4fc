import type { Redis } from 'ioredis'
import { type ConfigurationError, UnavailableError } from '../errors.js'
import type { Events } from '../events.js'
import type { ResolvedOptions } from '../options.js'
import { type Connect, connectLike, problemOf } from '../redis/connection.js'
import { checkPermissions, watchPermissions } from '../redis/permissions.js'
import { named } from '../redis/refusal.js'
import { disconnect, RetryingConnection } from '../redis/retrying-connection.js'
import { Safety } from '../redis/safety.js'
import { Store } from '../redis/store.js'
import type { Service } from '../service.js'
import type { Calls } from '../write/writer.js'

/**
 * If commands arrive together on one connection, Redis sends all answers only after it has carried out the last command. With one connection, Redis
 * and the application take turns, and each waits for the other. With four connections, both were busy 90 % of the time (docs/performance.md).
 */
const WRITE_CONNECTIONS = 4
/** The number of sweep intervals between two checks that Redis is safe. */
const SWEEPS_PER_LOOK = 5

/** One connection and the three ways to use it: directly, with repeated calls, and by the library's commands. */
export interface OpenCalls extends Calls {
  readonly redis: Redis
}

/**
 * The connections of one cache to Redis. `start()` opens the connections for the application's calls. It also checks that this Redis is safe to write
 * to, and that its user may do what the library does.
 */
export class Connections implements Service {
  /** For reads, and for calls that concern the whole cache. */
  readonly calls: OpenCalls
  /** For writes: `calls`, and more connections like it. */
  readonly writes: readonly OpenCalls[]
  readonly safety: Safety
  /** Opens one more. */
  readonly connect: Connect
  readonly #events: Events
  readonly #namespace: string
  readonly #opened: Redis[] = []
  #starting: Promise<void> | undefined

  /** @throws ConfigurationError when the settings of the application's connection cannot be copied */
  constructor(redis: Redis, events: Events, { namespace, writeTimeout, onUnsafeRedis, sweepInterval, role }: ResolvedOptions) {
    this.connect = connectLike(redis, events, this.#opened)
    this.writes = Array.from({ length: role === 'writer' ? 1 : WRITE_CONNECTIONS }, () => createCalls(this.connect, writeTimeout))
    this.calls = this.writes[0] as OpenCalls
    this.safety = new Safety({ ...this.calls, events, onUnsafeRedis, interval: SWEEPS_PER_LOOK * sweepInterval })
    this.#events = events
    this.#namespace = namespace
  }

  /**
   * @throws UnavailableError when Redis cannot be reached
   * @throws UnsafeRedisError when Redis would lose dirty data, or when its user lacks a right
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { calls, safety } = this
    await open(calls)
    await checkPermissions(calls.redis, calls.connection, this.#namespace)
    await safety.start()
    const others = this.writes.filter((each) => each !== calls)
    await Promise.all(others.map(open))
    for (const { redis, connection } of others) safety.watch(redis, connection)
    const report = (error: Error) => void this.#events.emit('failure', { step: 'safety', model: undefined, error })
    for (const { redis, connection } of this.writes) watchPermissions(redis, connection, this.#namespace, report)
  }

  /** Stops all calls to this Redis, because it holds the writes of another database. */
  refuse(error: ConfigurationError): void {
    for (const { connection } of this.writes) connection.refuse(error)
  }

  async stop(): Promise<void> {
    for (const { connection } of this.writes) connection.close()
    for (const redis of this.#opened) disconnect(redis)
    await this.safety.stop()
  }
}

/**
 * A connection that is not open yet.
 * @param timeout ms after which a call fails
 */
export function createCalls(connect: Connect, timeout: number): OpenCalls {
  const redis = connect(RetryingConnection.OPTIONS)
  return { redis, connection: new RetryingConnection(redis, timeout), store: new Store(redis) }
}

/** @throws UnavailableError when Redis cannot be reached */
export async function open({ redis }: OpenCalls): Promise<void> {
  await redis.connect().catch((error) => {
    // The error of connect() says only that the connection is closed.
    throw new UnavailableError(undefined, named(problemOf(redis) ?? error))
  })
}
