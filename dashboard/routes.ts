/**
 * Lists the routes of Bull Board that the dashboard serves. They show jobs, start them, remove them, and pause or resume their queue. No route
 * adds a job, changes its data or options, or sets a limit: whoever could do that could write anything into BullMQ's keys, and stop
 * flushes. All other routes are refused, so that the next version of Bull Board cannot add one.
 */
import type { RequestHandler } from 'express'

/** `:name` stands for one segment of a path, `*` for one or more segments. */
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

/** Looks at the path below Bull Board's own. */
export const refuseUnknown: RequestHandler = ({ method, path }, response, next) => {
  if (PATTERNS.get(method === 'HEAD' ? 'GET' : method)?.test(path)) return next()
  response.status(403).json({
    error: 'The dashboard refused the request. It can show, start and remove jobs and pause their queue. It cannot add or change a job.',
  })
}

function patternOf(route: string): string {
  return route.replace(/:\w+/g, '[^/]+').replace('*', '.+')
}
