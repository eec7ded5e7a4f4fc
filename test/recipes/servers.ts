import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, expect } from 'vitest'
import { autosave, policies as autosavePolicies } from '../../examples/recipes/autosave.js'
import { inventory, policies as inventoryPolicies } from '../../examples/recipes/inventory.js'
import { lastSeen, policies as lastSeenPolicies } from '../../examples/recipes/last-seen.js'
import { leaderboard, policies as leaderboardPolicies } from '../../examples/recipes/leaderboard.js'
import { likes, policies as likesPolicies } from '../../examples/recipes/likes.js'
import { llmUsage, policies as llmUsagePolicies } from '../../examples/recipes/llm-usage.js'
import { sensorHours, policies as sensorHoursPolicies } from '../../examples/recipes/sensor-hours.js'
import { viewCounter, policies as viewCounterPolicies } from '../../examples/recipes/view-counter.js'
import { PrismaClient } from '../../generated/recipes/client/client.js'
import { models } from '../../generated/recipes/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { createMigratedDatabase, createRedis, type MigratedDatabase } from '../fixture.js'

const MIGRATIONS = new URL('../../examples/recipes/migrations/', import.meta.url)

const POLICIES = {
  ...autosavePolicies,
  ...inventoryPolicies,
  ...lastSeenPolicies,
  ...leaderboardPolicies,
  ...likesPolicies,
  ...llmUsagePolicies,
  ...sensorHoursPolicies,
  ...viewCounterPolicies,
}

type Server = Awaited<ReturnType<typeof startServer>>

/** Two servers of an application, with all recipes, that share one Redis and one database. At the end no record may be parked. */
export function useServers() {
  const { redis, namespace, clean } = createRedis()
  let database: MigratedDatabase
  let one: Server
  let two: Server

  beforeAll(async () => {
    database = await createMigratedDatabase(MIGRATIONS)
    const start = () => startServer(database.url, { redis, namespace })
    one = await start()
    two = await start()
  })

  afterAll(async () => {
    const parked = await one.cache.parked()
    await Promise.all([one.close(), two.close()])
    await clean()
    await database.drop()
    expect(parked).toEqual([])
  })

  return {
    get one() {
      return one
    },
    get two() {
      return two
    },
    /** Calls `act` `count` times at once, by turns on both servers. */
    atOnce<T>(count: number, act: (server: Server, n: number) => Promise<T>): Promise<T[]> {
      return Promise.all(Array.from({ length: count }, (_, n) => act(n % 2 === 0 ? one : two, n)))
    },
    /** There is no worker, so that nothing reaches the database before. */
    flush: () => one.cache.flush(),
    query: <T extends object>(sql: string, values?: unknown[]) => database.query<T>(sql, values),
  }
}

/** What an application does with the recipes that it takes: one cache for all of them. */
async function startServer(databaseUrl: string, { redis, namespace }: Pick<ReturnType<typeof createRedis>, 'redis' | 'namespace'>) {
  // Prisma waits 2 s for the begin of a transaction, which is too short on a busy machine.
  const transactionOptions = { maxWait: 30_000, timeout: 60_000 }
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }), transactionOptions })
  const cache = await createWriteBehind({ prisma, redis, models, policies: POLICIES, namespace })
  const close = async () => {
    await cache.close()
    await prisma.$disconnect()
  }
  return {
    cache,
    prisma,
    close,
    drafts: autosave(cache),
    inventory: inventory(cache, prisma),
    presence: lastSeen(cache, prisma),
    board: leaderboard(cache, prisma),
    likes: likes(cache, prisma),
    usage: llmUsage(cache, prisma),
    sensors: sensorHours(cache),
    views: viewCounter(cache, prisma),
  }
}
