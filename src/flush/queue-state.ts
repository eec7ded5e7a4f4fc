/** Looks into the keys of a queue to find out whether BullMQ can run its jobs. */
import type { Redis } from 'ioredis'

export interface QueueState {
  /**
   * - `running`: jobs run.
   * - `paused`: no job runs until somebody resumes the queue.
   * - `limited`: jobs run as slowly as somebody has set.
   * - `broken`: BullMQ cannot work with the keys of the queue in Redis.
   */
  readonly queue: 'running' | 'paused' | 'limited' | 'broken'
  /** What is wrong with a queue that does not run normally. */
  readonly problem?: string
}

/** The Redis types of the keys of a BullMQ queue. */
const TYPES = {
  wait: 'list',
  active: 'list',
  paused: 'list',
  delayed: 'zset',
  prioritized: 'zset',
  completed: 'zset',
  failed: 'zset',
  'waiting-children': 'zset',
  marker: 'zset',
  repeat: 'zset',
  meta: 'hash',
  stalled: 'set',
  events: 'stream',
  id: 'string',
  limiter: 'string',
  'stalled-check': 'string',
} as const

/** @param queueKey makes the name of a key of the queue, as `queue.toKey` does */
export async function readQueueState(redis: Redis, queueKey: (name: string) => string): Promise<QueueState> {
  const names = Object.entries(TYPES)
  const types = await Promise.all(names.map(([name]) => redis.type(queueKey(name))))
  const metaType = types[names.findIndex(([name]) => name === 'meta')]
  const [paused, concurrency, max] = metaType === 'hash' ? await redis.hmget(queueKey('meta'), 'paused', 'concurrency', 'max') : []
  // A paused queue is left alone, whatever else is wrong with it, because somebody wants the pause.
  if (paused != null) return { queue: 'paused', problem: 'its queue is paused: only cache.flush() flushes it until it is resumed' }
  const wrong = names.findIndex(([, type], n) => types[n] !== 'none' && types[n] !== type)
  const [name, type] = names[wrong] ?? []
  if (name !== undefined) return broken(`expected a ${type} as ${queueKey(name)}, got a ${types[wrong]}`)
  const id = types[names.findIndex(([each]) => each === 'id')] === 'none' ? '0' : await redis.get(queueKey('id'))
  if (!Number.isSafeInteger(Number(id ?? 0))) return broken(`expected a number in ${queueKey('id')}, got something else`)
  if (concurrency == null && max == null && (await redis.pttl(queueKey('limiter'))) <= 0) return { queue: 'running' }
  return { queue: 'limited', problem: 'its queue has a limit of its rate or its concurrency: flushes may be late' }
}

function broken(what: string): QueueState {
  return { queue: 'broken', problem: `its queue is broken: ${what}. Delete that key: jobs hold no data. The sweeper flushes meanwhile` }
}
