import type { Redis } from 'ioredis'
import { ConfigurationError, UnavailableError } from '../errors.js'
import { createEvents } from '../events.js'
import { OPTION_DEFAULTS } from '../options.js'
import { connectLike, problemOf } from '../redis/connection.js'
import { identityKey, shardCountsKey, shardPrefix } from '../redis/keys.js'
import { named } from '../redis/refusal.js'
import { disconnect, RetryingConnection } from '../redis/retrying-connection.js'
import { Store } from '../redis/store.js'

export interface Release {
  /** A connection to copy the settings of; it is not used itself, and stays yours to close. */
  readonly redis: Redis
  /** @default 'write-behind' */
  readonly namespace?: string
}

/**
 * Lets the namespace be bound to another database: to that of the next process that starts. Stop all of its processes first.
 * @throws ConfigurationError while records are dirty, which would come into the other database, and for an unknown option
 * @throws UnavailableError when Redis does not answer
 */
export async function releaseNamespace({ redis, namespace = OPTION_DEFAULTS.namespace, ...rest }: Release): Promise<void> {
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new ConfigurationError(`releaseNamespace: expected only redis and namespace, got ${unknown}`)
  const { writeTimeout } = OPTION_DEFAULTS
  const ownRedis = connectLike(redis, createEvents(), [])(RetryingConnection.OPTIONS)
  const connection = new RetryingConnection(ownRedis, writeTimeout)
  try {
    await ownRedis.connect().catch((error) => {
      throw new UnavailableError(undefined, named(problemOf(ownRedis) ?? error))
    })
    await checkClean(ownRedis, connection, namespace)
    await connection.ask(undefined, () => ownRedis.del(identityKey(namespace)))
  } finally {
    connection.close()
    disconnect(ownRedis)
  }
}

async function checkClean(redis: Redis, connection: RetryingConnection, namespace: string): Promise<void> {
  const store = new Store(redis)
  const dirty = new Map<string, number>()
  const counts = await connection.ask(undefined, () => redis.hgetall(shardCountsKey(namespace)))
  for (const [model, count] of Object.entries(counts)) {
    for (let shard = 0; shard < Number(count); shard++) {
      const status = await connection.ask(model, () => store.status(shardPrefix(namespace, model, shard)))
      if (status.dirty > 0 || status.inFlight) dirty.set(model, (dirty.get(model) ?? 0) + status.dirty)
    }
  }
  if (dirty.size === 0) return
  const models = [...dirty].map(([model, records]) => `${model} has ${records}`).join(', ')
  throw new ConfigurationError(`namespace "${namespace}": expected no dirty records, ${models}; flush them into their database first`)
}
