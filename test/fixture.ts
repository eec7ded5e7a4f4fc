import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { Client, Pool } from 'pg'
import { inject } from 'vitest'
import { PrismaClient } from '../generated/client/client.js'
import { applyMigrations } from './environment/migrations.js'

/** A migrated database that only one test uses, on the servers of the environment. */
export interface MigratedDatabase {
  readonly url: string
  /** Sends plain SQL, without Prisma. */
  query<T extends object>(sql: string, values?: unknown[]): Promise<T[]>
  drop(): Promise<void>
}

export interface TestDatabase extends MigratedDatabase {
  readonly prisma: PrismaClient
}

/** Prisma's own limits, 2 and 5 s, are too short on a machine whose host gives it little time. */
const transactionOptions = { maxWait: 30_000, timeout: 60_000 }

/** Creates a database with this repository's own schema, and a client. */
export async function createDatabase(): Promise<TestDatabase> {
  const database = await createMigratedDatabase()
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }), transactionOptions })
  const drop = async () => {
    await prisma.$disconnect()
    await database.drop()
  }
  return { ...database, prisma, drop }
}

/** @param migrations is the folder of the migrations; this repository's own by default */
export async function createMigratedDatabase(migrations?: URL): Promise<MigratedDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await onServer(`create database "${name}"${migrations === undefined ? ` template "${inject('template')}"` : ''}`)
  const address = new URL(inject('databaseUrl'))
  address.pathname = `/${name}`
  const url = address.toString()
  if (migrations !== undefined) await applyMigrations(url, migrations)
  const pool = new Pool({ connectionString: url, max: 1, idleTimeoutMillis: 0 })
  pool.on('error', () => {})
  return {
    url,
    query: async (sql, values) => (await pool.query(sql, values)).rows,
    drop: async () => {
      await pool.end()
      await onServer(`drop database "${name}" with (force)`)
    },
  }
}

/** Opens a connection, and makes up a namespace. `clean` removes the keys of the namespace and closes the connection. */
export function createRedis(): { redis: Redis; namespace: string; empty(): Promise<void>; clean(): Promise<void> } {
  const redis = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null })
  const namespace = `test-${randomUUID()}`
  const empty = async () => {
    for await (const keys of redis.scanStream({ match: `{${namespace}*`, count: 1000 })) if (keys.length > 0) await redis.unlink(...keys)
  }
  const clean = async () => {
    await empty()
    redis.disconnect()
  }
  return { redis, namespace, empty, clean }
}

async function onServer(sql: string): Promise<void> {
  const client = new Client({ connectionString: inject('databaseUrl') })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
