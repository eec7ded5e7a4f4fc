/** Dashboards, and caches to show. What a test starts is ended after it. */
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Redis } from 'ioredis'
import { afterEach } from 'vitest'
import { Dashboard, type DashboardOptions } from '../../dashboard/server.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Options, type Policy } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

export const CREDENTIALS = { user: 'operator', password: 'pass:word' }
export const NEVER = 3_600_000

/** What a test started, in the order to end it. */
export const ending: (() => Promise<unknown>)[] = []

/** Registers the hooks of a test file. */
export function useDashboards(): void {
  afterEach(async () => {
    for (const step of ending.splice(0).reverse()) await step()
  })
}

interface CacheOptions extends Options {
  readonly database?: TestDatabase
  /** By default the Redis of the environment. */
  readonly redis?: Redis
  readonly pageView?: Policy
}

/** A cache on a database of its own. Unless `options` say otherwise, only the job brings a change of a page view to the database. */
export async function startCache({ database, redis: server, ...options }: CacheOptions = {}) {
  const own = database ?? (await createDatabase())
  if (database === undefined) ending.push(() => own.drop())
  const { redis, namespace, clean } = createRedis()
  ending.push(clean)
  const { pageView = { debounce: NEVER, maxWait: NEVER }, ...rest } = options
  const atOnce = { debounce: 0, maxWait: 1, shards: 1, attempts: 1, backoff: 10 }
  const policies = { counter: atOnce, reading: atOnce, pageView }
  const cache = await createWriteBehind({
    prisma: own.prisma,
    redis: server ?? redis,
    models,
    policies,
    namespace,
    sweepInterval: NEVER,
    ...rest,
  })
  ending.push(() => cache.close({ deadline: 100 }))
  return { cache, database: own, namespace }
}

export async function startDashboard(options: DashboardOptions): Promise<string> {
  const dashboard = new Dashboard({ port: 0, ...options })
  ending.push(() => dashboard.stop())
  return dashboard.start()
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Sends all headers that it is given, even `Host` and `Sec-Fetch-Site`, which fetch does not. */
export async function send(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const call = request(url, { agent: false, ...options }).end(options.body)
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
