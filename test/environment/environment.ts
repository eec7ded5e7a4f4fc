import { applyMigrations } from './migrations.js'
import { startPostgres } from './postgres.js'
import { startRedis } from './redis.js'

export interface GivenServers {
  readonly redisUrl?: string | undefined
  readonly databaseUrl?: string | undefined
}

export interface Environment {
  readonly redisUrl: string
  /** Migrated. */
  readonly databaseUrl: string
  /** Ends what was started. Servers that were given are left alone. */
  stop(): Promise<void>
}

interface Part {
  readonly url: string
  stop(): Promise<void>
}

/**
 * Redis and PostgreSQL for tests and demos: those given, by default in REDIS_URL and DATABASE_URL, else servers started for the purpose,
 * which end with this process if `stop` is not called.
 */
export async function startEnvironment(
  given: GivenServers = { redisUrl: process.env.REDIS_URL, databaseUrl: process.env.DATABASE_URL },
): Promise<Environment> {
  const starting = [redis(given.redisUrl), database(given.databaseUrl)] as const
  const stop = async () => {
    const results = await Promise.allSettled(starting)
    await Promise.all(results.map((result) => result.status === 'fulfilled' && result.value.stop()))
  }
  try {
    const [{ url: redisUrl }, { url: databaseUrl }] = await Promise.all(starting)
    return { redisUrl, databaseUrl, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function redis(given: string | undefined): Promise<Part> {
  if (given) return { url: given, stop: async () => {} }
  return startRedis()
}

async function database(given: string | undefined): Promise<Part> {
  if (given) {
    await applyMigrations(given)
    return { url: given, stop: async () => {} }
  }
  const postgres = await startPostgres()
  try {
    const url = await postgres.createDatabase('write_behind')
    await applyMigrations(url)
    return { url, stop: postgres.stop }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}
