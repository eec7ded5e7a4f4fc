/**
 * What of Bull Board is served: what shows jobs, and what starts them, takes them away, or pauses their queue. Not what adds jobs, or changes their data
 * or options, or sets limits: whoever could do that could write as they like into BullMQ's keys, and hold flushes up. It is a list of what
 * passes, so that the next version of Bull Board adds nothing to it.
 */
import type { RequestHandler } from 'express'

/** `:name` stands for one part of a path, `*` for any number of them. */
export const SERVED = {
  GET: [
    '/',
    '/static/*',
    '/job-schedulers',
    '/queue/:queue',
    '/queue/:queue/:job',
    '/api/redis/stats',
    '/api/queues',
    '/api/job-schedulers',
    '/api/queues/:queue/metrics',
    '/api/queues/:queue/default-job-options',
    '/api/queues/:queue/workers',
    '/api/queues/:queue/rate-limit',
    '/api/queues/:queue/job-data-schema',
    '/api/queues/:queue/:job',
    '/api/queues/:queue/:job/logs',
    '/api/queues/:queue/:job/flow',
  ],
  PUT: [
    '/api/queues/pause',
    '/api/queues/resume',
    '/api/queues/:queue/pause',
    '/api/queues/:queue/resume',
    '/api/queues/:queue/empty',
    '/api/queues/:queue/obliterate',
    '/api/queues/:queue/promote',
    '/api/queues/:queue/retry/:status',
    '/api/queues/:queue/clean/:status',
    '/api/queues/:queue/:job/retry',
    '/api/queues/:queue/:job/clean',
    '/api/queues/:queue/:job/promote',
  ],
} as const

const PATTERNS: ReadonlyMap<string, RegExp> = new Map(
  Object.entries(SERVED).map(([method, routes]) => [method, new RegExp(`^(?:${routes.map(patternOf).join('|')})$`)]),
)

/** By the path below the board's. */
export const refuseUnknown: RequestHandler = ({ method, path }, response, next) => {
  if (PATTERNS.get(method === 'HEAD' ? 'GET' : method)?.test(path)) return next()
  response.status(403).json({ error: 'Refused: the dashboard adds no jobs, and changes none. It starts, removes, pauses and shows them.' })
}

function patternOf(route: string): string {
  return route.replace(/:\w+/g, '[^/]+').replace('*', '.+')
}
