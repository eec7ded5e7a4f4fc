import type { Redis } from 'ioredis'
import { ConfigurationError, UnsafeRedisError } from '../errors.js'
import { shardCountsKey, shardPrefix } from './keys.js'
import type { Link } from './link.js'
import { Store } from './store.js'

/** Scripts declare what they need in their first line, which older servers do not read. */
const OLDEST_VERSION = 7

/**
 * What is unsafe but can be wanted; reported as warnings.
 * @throws UnsafeRedisError if this Redis would lose dirty data, or cannot run the scripts
 * @throws UnavailableError
 */
export async function checkRedis(redis: Redis, link: Link): Promise<string[]> {
  const info = new Map((await link.ask(undefined, () => redis.info())).split('\r\n').map((line) => line.split(':', 2) as [string, string]))
  const version = info.get('valkey_version') ?? info.get('redis_version') ?? '0'
  if (Number.parseInt(version, 10) < OLDEST_VERSION)
    throw new UnsafeRedisError(`Redis: expected version ${OLDEST_VERSION} or later, got ${version}`)
  const eviction = info.get('maxmemory_policy')
  if (eviction !== undefined && eviction !== 'noeviction') {
    throw new UnsafeRedisError(
      `Redis: expected maxmemory-policy noeviction, as any other evicts writes that are not in the database yet; got ${eviction}`,
    )
  }
  return info.get('aof_enabled') === '1'
    ? []
    : ['Redis: appendonly is off; a crash of Redis loses the writes that are not in the database yet']
}

/**
 * Records are spread over shards by their key: a changed number would leave dirty records where nobody looks.
 * @throws ConfigurationError if the number changed while the model has dirty records
 * @throws UnavailableError
 */
export async function checkShardCount(redis: Redis, link: Link, namespace: string, model: string, count: number): Promise<void> {
  const key = shardCountsKey(namespace)
  await link.ask(model, () => redis.hsetnx(key, model, count))
  const before = Number(await link.ask(model, () => redis.hget(key, model)))
  if (before === count) return
  const store = new Store(redis)
  for (let shard = 0; shard < before; shard++) {
    const { dirty, inFlight } = await link.ask(model, () => store.status(shardPrefix(namespace, model, shard)))
    if (dirty > 0 || inFlight) {
      throw new ConfigurationError(
        `policies: ${model} has dirty records in ${before} shards; flush them with the old number before setting shards to ${count}`,
        { model },
      )
    }
  }
  // A record may have been in the same shard before, and have left a view there.
  const shards = Array.from({ length: count }, (_, shard) => shardPrefix(namespace, model, shard))
  await Promise.all(shards.map((prefix) => link.ask(model, () => store.invalidate(prefix, []))))
  await link.ask(model, () => redis.hset(key, model, count))
}
