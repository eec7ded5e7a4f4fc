import { models } from '../../generated/write-behind.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { unpackTexts } from '../../src/redis/unpack.js'
import { MODELS, SHARDS } from './queues.js'
import type { Stage } from './stage.js'

/** What is left of a shard that is not clean. */
export interface Leftover {
  readonly shard: string
  readonly dirty: number
  readonly parked: number
  readonly inFlight: boolean
  /** Records that have a pending or claimed change and are not parked. */
  readonly others: number
}

/** Finds the shards that are not clean. */
export async function leftovers({ redis, namespace }: Stage): Promise<Leftover[]> {
  const shards = MODELS.flatMap((model) => Array.from({ length: SHARDS }, (_, shard) => shardPrefix(namespace, models[model].name, shard)))
  const found = await Promise.all(
    shards.map(async (shard) => {
      const [dirty, parked, batch] = await Promise.all([
        redis.zrange(`${shard}dirty`, '0', '-1'),
        redis.hkeys(`${shard}parked`),
        redis.hgetBuffer(`${shard}batch`, 'keys'),
      ])
      const others = new Set([...dirty, ...(batch === null ? [] : unpackTexts(batch))])
      for (const key of parked) others.delete(key)
      return { shard, dirty: dirty.length, parked: parked.length, inFlight: batch !== null, others: others.size }
    }),
  )
  return found.filter(({ dirty, parked, inFlight }) => dirty > 0 || parked > 0 || inFlight)
}

/** Counts the jobs of the naive design that have not ended. */
export async function naiveLeftovers({ redis, namespace }: Stage): Promise<Leftover[]> {
  const prefix = `{${namespace}}:queues:naive:`
  const [wait, active, delayed, failed] = await Promise.all([
    redis.llen(`${prefix}wait`),
    redis.llen(`${prefix}active`),
    redis.zcard(`${prefix}delayed`),
    redis.zcard(`${prefix}failed`),
  ])
  const dirty = wait + active + delayed
  return dirty + failed > 0 ? [{ shard: 'naive', dirty, parked: failed, inFlight: active > 0, others: dirty }] : []
}

export interface Keys {
  /** Keys without a time to live, except BullMQ's. */
  readonly lasting: number
  /** Keys that hold changes. There is none when all shards are clean. */
  readonly changes: number
  readonly all: number
  readonly memory: number
}

/** Counts the keys of the namespace. */
export async function countKeys({ redis, namespace }: Stage): Promise<Keys> {
  let [all, lasting, changes] = [0, 0, 0]
  for await (const keys of redis.scanStream({ match: `{${namespace}*`, count: 1000 }) as AsyncIterable<string[]>) {
    const own = keys.filter((key) => !key.startsWith(`{${namespace}}:queues`))
    all += keys.length
    changes += own.filter((key) => /\}\/(packed$|pend\/|intent$)/.test(key)).length
    const ttls = await Promise.all(own.map((key) => redis.pttl(key)))
    lasting += ttls.filter((ttl) => ttl === -1).length
  }
  const memory = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
  return { lasting, changes, all, memory }
}
