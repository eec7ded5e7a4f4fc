/**
 * `npm start`: a worker for all models of prisma/schema.prisma, and the dashboard. From the environment:
 *
 *   REDIS_URL, DATABASE_URL              required
 *   NAMESPACE                            the one of the application's cache; write-behind
 *   HOST, PORT                           of the dashboard; 127.0.0.1 and 3000
 *   DASHBOARD_USER, DASHBOARD_PASSWORD   required when HOST is not loopback
 *
 * SIGINT and SIGTERM end it in order: what is dirty is flushed first, and stays in Redis for the next worker if it cannot be.
 */
import { once } from 'node:events'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../generated/client/client.js'
import { models } from '../generated/write-behind.js'
import { ConfigurationError, createWriteBehind, type FailureEvent, type Options, redact, type WriteBehind } from '../src/index.js'
import { Dashboard, type DashboardOptions } from './server.js'

/** A failure that goes on is told again after this long, ms. */
const TELL_AGAIN = 60_000

interface Settings {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly options: Options
  readonly dashboard: Omit<DashboardOptions, 'cache'>
}

async function main(): Promise<void> {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  // A Ctrl-C may arrive twice, from the terminal and from npm: only the first one counts.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

  const { redisUrl, databaseUrl, options, dashboard } = readSettings(process.env)
  const redis = new Redis(redisUrl, { lazyConnect: true })
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  const policies = Object.fromEntries(Object.keys(models).map((name) => [name, {}]))
  const cache = await createWriteBehind({ prisma, redis, models, policies, ...options })
  try {
    await run(cache, dashboard, stopped)
  } finally {
    const { flushed, dirty = 'an unknown number', parked = 'an unknown number' } = await cache.close({ drain: 'all' })
    tell(`stopped; ${flushed} records flushed on the way out, ${dirty} stay dirty in Redis, ${parked} of them parked`)
  }
}

async function run(cache: WriteBehind, options: Omit<DashboardOptions, 'cache'>, stopped: Promise<unknown>): Promise<void> {
  cache.events.on('failure', failureTeller())
  cache.events.on('parked', ({ model, key, reason }) => tell(`parked ${model} ${key}: ${reason}`))
  const dashboard = new Dashboard({ cache, ...options })
  const url = await dashboard.start()
  try {
    await cache.startWorker()
    tell(`the worker runs, the dashboard is at ${url}`)
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
    // Without its value: it may have a password.
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

/** Every connection and every try reports the same failure: it is told once a minute. */
function failureTeller(): (event: FailureEvent) => void {
  const told = new Set<string>()
  let since = 0
  return ({ step, model, error }) => {
    const now = Date.now()
    if (now - since > TELL_AGAIN) {
      told.clear()
      since = now
    }
    const line = `${[step, model].filter(Boolean).join(' ')} failed, it will be tried again: ${error.message}`
    if (told.has(line)) return
    told.add(line)
    tell(line)
  }
}

function tell(line: string): void {
  console.error(`write-behind: ${line}`)
}

// A statement that hangs would keep Prisma's pool open, and so the process.
main().then(
  () => process.exit(),
  (error: unknown) => {
    tell(redact(error).message)
    process.exit(1)
  },
)
