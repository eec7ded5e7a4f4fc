import type { WriteBehind } from '../src/index.js'
import { until as untilTrue } from '../test/until.js'

const PAUSE = 20
const DEADLINE = 180_000

/** @throws Error when the condition is still false after three minutes */
export function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  return untilTrue(what, DEADLINE, isTrue, PAUSE)
}

/** Resolves to true when nothing is dirty and no job runs. Redis may be emptied then, because no worker needs its data. */
export async function isIdle(cache: Pick<WriteBehind, 'status' | 'queues'>): Promise<boolean> {
  const models = await cache.status()
  const jobs = await Promise.all(cache.queues.map((queue) => queue.getJobCounts('active')))
  return models.every(({ dirty }) => dirty === 0) && jobs.every(({ active }) => active === 0)
}
