import type { Redis } from 'ioredis'
import { ConfigurationError } from '../errors.js'
import { createEvents } from '../events.js'
import { OPTION_DEFAULTS } from '../options.js'
import { connectLike } from '../redis/connection.js'
import { identityKey, shardCountsKey, shardPrefix } from '../redis/keys.js'
import { disconnect } from '../redis/retrying-connection.js'
import { createCalls, type OpenCalls, open } from './connections.js'

export interface Release {
  /** A connection whose address is copied. The connection itself is not used; it remains yours to close. */
  readonly redis: Redis
  /** @default 'write-behind' */
  readonly namespace?: string
}

/**
 * Frees a namespace from its database. The next process that starts binds it to its own database. Stop all processes of the namespace first.
 * @throws ConfigurationError for an unknown option, and while the namespace has dirty records, because these would go to the other database
 * @throws UnavailableError when Redis does not answer
 */
export async function releaseNamespace({ redis, namespace = OPTION_DEFAULTS.namespace, ...rest }: Release): Promise<void> {
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new ConfigurationError(`releaseNamespace: expected only redis and namespace, got ${unknown}`)
  const calls = createCalls(connectLike(redis, createEvents(), []), OPTION_DEFAULTS.writeTimeout)
  try {
    await open(calls)
    await checkClean(calls, namespace)
    await calls.connection.ask(undefined, () => calls.redis.del(identityKey(namespace)))
  } finally {
    calls.connection.close()
    disconnect(calls.redis)
  }
}

async function checkClean({ redis, connection, store }: OpenCalls, namespace: string): Promise<void> {
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
  throw new ConfigurationError(`namespace "${namespace}": expected no dirty records, got ${models}; flush them into their database first`)
}
