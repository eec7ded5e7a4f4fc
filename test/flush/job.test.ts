import { expect, test } from 'vitest'
import { type FlushJob, isAsMade, readJobData } from '../../src/flush/job.js'
import { QueueStage, quick } from './queue-stage.js'

const stage = new QueueStage()
const { start, names } = stage

test.each(['shard', 'record'] as const)('each job of ours is as we make it, a job a %s', async (jobs) => {
  const { cache, queue, write } = await start({}, { jobs, debounce: 1, maxWait: 2 })
  await stage.database.query(`alter table "Counter" add constraint plausible check (name <> 'refused')`)
  await cache.startWorker()
  for (let n = 0; n < 100; n++) await write(`n${n % 5}`)
  await write('refused')
  await expect.poll(() => queue.getFailedCount()).toBeGreaterThan(0)
  await expect.poll(names).toHaveLength(5)
  const done = (await queue.getJobs(['completed', 'failed', 'delayed', 'wait', 'prioritized'])) as FlushJob[]
  expect(done.length).toBeGreaterThan(3)
  for (const job of done) {
    const data = readJobData(job.data, 'Counter', quick.shards)
    expect([job.name, data !== undefined && isAsMade(data, job)]).toEqual([job.name, true])
  }
})
