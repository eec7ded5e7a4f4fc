/** Opens and deletes the queues of the flush jobs, as an operator can. */
import { Queue } from 'bullmq'
import { models } from '../../generated/write-behind.js'
import { queueName } from '../../src/flush/scheduler.js'
import { queuePrefix } from '../../src/redis/keys.js'
import { persistently } from './child.js'
import type { Stage } from './stage.js'

export const MODELS = ['counter', 'pageView', 'player'] as const
export const SHARDS = 8

export type ModelName = (typeof MODELS)[number]

export async function deleteQueues({ redis, namespace }: Stage): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${queuePrefix(namespace)}:*`, count: 1000 }))
    if (keys.length > 0) await redis.unlink(...keys)
}

/** Uses a queue, and tries again while Redis is away or refuses commands, as it does when its disk is full. */
export function withQueue(stage: Stage, model: ModelName, use: (queue: Queue) => Promise<unknown>): Promise<void> {
  return persistently(() => openQueue(stage, model, use))
}

async function openQueue({ namespace, redis }: Stage, model: ModelName, use: (queue: Queue) => Promise<unknown>): Promise<void> {
  const connection = redis.duplicate()
  connection.on('error', () => {})
  const queue = new Queue(queueName(namespace, models[model].name), { connection, prefix: queuePrefix(namespace) })
  queue.on('error', () => {})
  try {
    await use(queue)
  } finally {
    await queue.close()
    connection.disconnect()
  }
}
