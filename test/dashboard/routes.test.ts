/** What the dashboard serves of Bull Board, and what it refuses. */
import { appRoutes } from '@bull-board/api/dist/routes.js'
import type { Queue } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { SERVED } from '../../dashboard/routes.js'
import { NEVER, send, startCache, startDashboard } from './stage.js'

describe('what is served of the board', () => {
  const JOB = { kind: 'shard', model: 'Counter', shard: 0 }
  /** Of all that Bull Board has, what must not pass. */
  const REFUSED: Record<string, readonly string[]> = {
    post: ['/api/queues/:queueName/add'],
    patch: [
      '/api/queues/:queueName/:jobId/update-data',
      '/api/queues/:queueName/:jobId/delay',
      '/api/queues/:queueName/:jobId/priority',
      '/api/queues/:queueName/job-schedulers/:schedulerId',
    ],
    put: [
      '/api/queues/:queueName/concurrency',
      '/api/queues/:queueName/rate-limit',
      '/api/queues/:queueName/rate-limit/release',
      '/api/queues/:queueName/job-schedulers/:schedulerId/remove',
      '/api/queues/:queueName/job-schedulers/:schedulerId/run',
      '/api/queues/:queueName/:jobId/remove-unprocessed-children',
    ],
  }

  test('each route that Bull Board has is decided on', () => {
    const named = (route: string) => route.replace(/:\w+/g, ':')
    const routes = appRoutes.api.flatMap(({ method, route }) => [route].flat().map((each) => `${method} ${named(each)}`))
    const served = Object.entries(SERVED).flatMap(([method, each]) => each.map((route) => `${method.toLowerCase()} ${named(route)}`))
    const refused = Object.entries(REFUSED).flatMap(([method, each]) => each.map((route) => `${method} ${named(route)}`))
    expect(routes.filter((route) => !served.includes(route)).sort()).toEqual(refused.sort())
  })

  test('nothing passes that adds jobs, changes them, or sets limits', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache })
    const queue = cache.queues.find(({ name }) => name.endsWith('.Counter')) as Queue
    const job = await queue.add('ours', JOB, { delay: NEVER, jobId: 'ours' })
    const body = JSON.stringify({
      name: 'crafted',
      data: JOB,
      options: { jobId: 'wait' },
      jobData: {},
      delay: 1,
      priority: 1,
      concurrency: 0,
      max: 1,
      duration: NEVER,
    })
    const spellings = (path: string) => [
      path,
      path.toUpperCase().replace(/OURS/g, 'ours'),
      `${path}/`,
      path.replace('/api', '//api'),
      path.replace('/add', '/%61dd'),
      `/.${path}`,
    ]
    for (const [method, routes] of Object.entries(REFUSED)) {
      for (const route of routes) {
        const path = route.replace(':queueName', queue.name).replace(/:\w+/, 'ours')
        for (const each of spellings(path)) {
          const answer = await send(`${url}/queues${each}`, {
            method: method.toUpperCase(),
            headers: { 'content-type': 'application/json' },
            body,
          })
          expect([each, answer.status]).toEqual([each, 403])
        }
      }
    }
    for (const method of ['POST', 'PATCH', 'DELETE', 'PROPFIND'])
      expect((await send(`${url}/queues/api/queues`, { method })).status).toBe(403)
    expect(await queue.getJobCounts()).toMatchObject({ delayed: 1, waiting: 0, active: 0, failed: 0 })
    expect(await queue.getJob('ours')).toMatchObject({ data: job.data, priority: 0 })
    expect(await cache.status()).toContainEqual(expect.objectContaining({ model: 'Counter', queue: 'running' }))
  })

  test('the status says that a queue is paused', async () => {
    const { cache } = await startCache()
    const url = await startDashboard({ cache })
    await send(`${url}/queues/api/queues/pause`, { method: 'PUT' })
    const { models } = JSON.parse((await send(`${url}/status`)).body)
    expect(models).toContainEqual(expect.objectContaining({ model: 'Counter', queue: 'paused' }))
  })
})
