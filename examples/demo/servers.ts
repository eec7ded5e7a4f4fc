import { Redis } from 'ioredis'
import { applyMigrations } from '../../test/environment/migrations.js'
import { query, startPostgres } from '../../test/environment/postgres.js'
import { startRedis } from '../../test/environment/redis.js'
import type { Connections } from './cache.js'
import { UsageError } from './options.js'

export interface GivenServers {
  readonly redisUrl: string | undefined
  readonly databaseUrl: string | undefined
}

export interface Servers extends Connections {
  /** Stops and starts PostgreSQL. Undefined when the demo did not start it. */
  readonly outage: { begin(): Promise<void>; end(): Promise<void> } | undefined
  /**
   * Stops the servers that the demo started. Removes the run's data from servers that were given, unless `keep` is true. Resolves to the names of
   * what it kept.
   */
  stop(keep: boolean): Promise<string[]>
}

interface RunServer {
  readonly url: string
  readonly outage?: Servers['outage']
  /** Resolves to the name of what it kept. */
  stop(keep: boolean): Promise<string | undefined>
}

/** Uses the Redis and PostgreSQL that were given, or starts them. This run alone uses the namespace and the empty, migrated database. */
export async function startServers(given: GivenServers, runId: string): Promise<Servers> {
  const namespace = `demo-${runId}`
  const starting = [openRedis(given.redisUrl, namespace), openDatabase(given.databaseUrl, `write_behind_demo_${runId}`)] as const
  const stop = async (keep: boolean) => {
    const servers = (await Promise.allSettled(starting)).flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    return (await Promise.all(servers.map((server) => server.stop(keep)))).filter((left) => left !== undefined)
  }
  try {
    const [redis, database] = await Promise.all(starting)
    return { namespace, redisUrl: redis.url, databaseUrl: database.url, outage: database.outage, stop }
  } catch (error) {
    await stop(false)
    throw error
  }
}

async function openRedis(given: string | undefined, namespace: string): Promise<RunServer> {
  if (given) return { url: given, stop: (keep) => (keep ? Promise.resolve(`Redis keys {${namespace}*`) : removeKeys(given, namespace)) }
  const server = await startRedis()
  return { url: server.url, stop: async () => void (await server.stop()) }
}

async function openDatabase(given: string | undefined, name: string): Promise<RunServer> {
  if (given) return createDatabase(given, name)
  const server = await startPostgres()
  try {
    const url = await server.createDatabase(name)
    await applyMigrations(url)
    // On SIGQUIT, PostgreSQL ends at once and tells its clients nothing, as in a crash.
    return {
      url,
      outage: { begin: () => server.kill('SIGQUIT'), end: () => server.restart() },
      stop: async () => void (await server.stop()),
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function createDatabase(given: string, name: string): Promise<RunServer> {
  const url = new URL(given)
  url.pathname = `/${name}`
  // These parameters would name a schema that the new database does not have.
  for (const parameter of ['schema', 'options']) url.searchParams.delete(parameter)
  try {
    await query(given, `create database "${name}"`)
  } catch (cause) {
    throw new UsageError(
      `DATABASE_URL: expected a server on which the demo may create a database, got the error: ${(cause as Error).message}`,
    )
  }
  const drop = async () => void (await query(given, `drop database "${name}" with (force)`))
  try {
    await applyMigrations(url.href)
  } catch (error) {
    await drop()
    throw error
  }
  return { url: url.href, stop: (keep) => (keep ? Promise.resolve(`database ${name}`) : drop()) as Promise<string | undefined> }
}

/** Every key of a namespace begins with a brace and the namespace (src/redis/keys.ts). The namespace contains the run's id, so no other keys match. */
async function removeKeys(url: string, namespace: string): Promise<undefined> {
  const redis = new Redis(url)
  redis.on('error', () => {})
  try {
    for await (const keys of redis.scanStream({ match: `{${namespace}[:}]*`, count: 1000 })) {
      if (keys.length > 0) await redis.unlink(...(keys as string[]))
    }
  } finally {
    redis.disconnect()
  }
}
