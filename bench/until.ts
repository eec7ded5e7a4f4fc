import type { WriteBehind } from '../src/index.js'

const PAUSE = 20
const DEADLINE = 180_000

/** @throws Error when the condition is still false after three minutes */
export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE / 1000} s for ${what}, which did not happen`)
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
}

/** Resolves to true when nothing is dirty and no job runs. Redis may be emptied then, because no worker needs its data. */
export async function isIdle(cache: Pick<WriteBehind, 'status' | 'queues'>): Promise<boolean> {
  const models = await cache.status()
  const jobs = await Promise.all(cache.queues.map((queue) => queue.getJobCounts('active')))
  return models.every(({ dirty }) => dirty === 0) && jobs.every(({ active }) => active === 0)
}
