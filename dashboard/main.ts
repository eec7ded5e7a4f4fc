/**
 * `npm start` runs a worker for all models of prisma/schema.prisma, and the dashboard. It reads the environment:
 *
 *   REDIS_URL, DATABASE_URL              where the servers are; required
 *   NAMESPACE                            the namespace of the application's cache; write-behind by default
 *   HOST, PORT                           where the dashboard listens; 127.0.0.1 and 3000 by default
 *   DASHBOARD_USER, DASHBOARD_PASSWORD   required when HOST is not loopback
 *
 * SIGINT and SIGTERM stop it in order. It flushes all dirty records first, and leaves in Redis what it cannot flush. The next worker flushes that.
 */
import { once } from 'node:events'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../generated/client/client.js'
import { models } from '../generated/write-behind.js'
import {
  type CloseReport,
  ConfigurationError,
  createWriteBehind,
  type FailureEvent,
  type Options,
  redact,
  type WriteBehind,
} from '../src/index.js'
import { Dashboard, type DashboardOptions } from './server.js'

/** A failure that continues is printed again after this many ms. */
const TELL_AGAIN = 60_000

interface Settings {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly options: Options
  readonly dashboard: Omit<DashboardOptions, 'cache'>
}

async function main(): Promise<void> {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  // A Ctrl-C may arrive twice, from the terminal and from npm. Only the first one counts.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

  const { redisUrl, databaseUrl, options, dashboard } = readSettings(process.env)
  const redis = new Redis(redisUrl, { lazyConnect: true })
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  const policies = Object.fromEntries(Object.keys(models).map((name) => [name, {}]))
  const cache = await createWriteBehind({ prisma, redis, models, policies, ...options })
  try {
    await run(cache, dashboard, stopped)
  } finally {
    tell(describeEnd(await cache.close({ drain: 'all' })))
  }
}

function describeEnd({ flushed, dirty, parked }: CloseReport): string {
  const stopped = `stopped after it flushed ${flushed} record(s)`
  if (dirty === undefined) return `${stopped}; Redis did not say how many records stay dirty; start a worker again when Redis is back`
  if (dirty === 0) return `${stopped}; 0 record(s) stay dirty in Redis`
  return `${stopped}; ${dirty} record(s) stay dirty in Redis, ${parked} of them parked; start a worker again to flush them`
}

async function run(cache: WriteBehind, options: Omit<DashboardOptions, 'cache'>, stopped: Promise<unknown>): Promise<void> {
  cache.events.on('failure', failureTeller())
  cache.events.on('parked', ({ model, key, reason }) => {
    tell(`the database refuses the record ${key} of ${model}, which is parked: ${reason}; docs/operations.md says how to repair it`)
  })
  const dashboard = new Dashboard({ cache, ...options })
  const url = await dashboard.start()
  try {
    await cache.startWorker()
    tell(`the worker runs; the dashboard is at ${url}`)
    await stopped
  } finally {
    await dashboard.stop()
  }
}

/** @throws ConfigurationError naming the variable */
function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const required = (name: string, example: string): string => {
    const value = environment[name]
    if (!value) throw new ConfigurationError(`${name}: expected a URL like ${example}, got none`)
    // The message leaves the value out because it may contain a password.
    if (!URL.canParse(value) || !/^[a-z+]+:\/\//.test(value))
      throw new ConfigurationError(`${name}: expected a URL like ${example}, got something else`)
    return value
  }
  const { NAMESPACE, HOST, PORT, DASHBOARD_USER: user = '', DASHBOARD_PASSWORD: password = '' } = environment
  if (PORT && !(/^\d+$/.test(PORT) && Number(PORT) < 65_536))
    throw new ConfigurationError(`PORT: expected a number below 65536, got ${JSON.stringify(PORT)}`)
  return {
    redisUrl: required('REDIS_URL', 'redis://127.0.0.1:6379'),
    databaseUrl: required('DATABASE_URL', 'postgresql://user:password@127.0.0.1:5432/database'),
    options: NAMESPACE ? { namespace: NAMESPACE } : {},
    dashboard: {
      ...(HOST && { host: HOST }),
      ...(PORT && { port: Number(PORT) }),
      credentials: user || password ? { user, password } : undefined,
    },
  }
}

/** Prints the same failure once a minute, because every connection and every attempt reports it. */
function failureTeller(): (event: FailureEvent) => void {
  const told = new Set<string>()
  let since = 0
  return ({ step, model, error }) => {
    const now = Date.now()
    if (now - since > TELL_AGAIN) {
      told.clear()
      since = now
    }
    const line = `the step ${step}${model === undefined ? '' : ` of ${model}`} failed and will be tried again: ${error.message}`
    if (told.has(line)) return
    told.add(line)
    tell(line)
  }
}

function tell(line: string): void {
  console.error(`write-behind: ${line}`)
}

// The process exits here because a statement that hangs would keep Prisma's pool open, and the process with it.
main().then(
  () => process.exit(),
  (error: unknown) => {
    tell(redact(error).message)
    process.exit(1)
  },
)
