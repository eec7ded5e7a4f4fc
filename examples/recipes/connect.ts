/**
 * What an application does with the recipes that it takes: it makes one cache for all of them, from their policies.
 * Call `cache.startWorker()` in each process, or in one of its own. Call `close` when the last request has ended.
 */
import { PrismaPg } from '@prisma/adapter-pg'
import type { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/recipes/client/client.js'
import { models } from '../../generated/recipes/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import * as autosave from './autosave.js'
import * as inventory from './inventory.js'
import * as lastSeen from './last-seen.js'
import * as leaderboard from './leaderboard.js'
import * as likes from './likes.js'
import * as llmUsage from './llm-usage.js'
import * as sensorHours from './sensor-hours.js'
import * as viewCounter from './view-counter.js'

const policies = {
  ...viewCounter.policies,
  ...likes.policies,
  ...leaderboard.policies,
  ...sensorHours.policies,
  ...lastSeen.policies,
  ...autosave.policies,
  ...llmUsage.policies,
  ...inventory.policies,
}

/** @param maxWait is how many ms an order may wait for a free connection. Prisma's own limit, 2000, is short if many orders come at once */
export async function connect(databaseUrl: string, redis: Redis, namespace: string, maxWait = 10_000) {
  const adapter = new PrismaPg({ connectionString: databaseUrl, statement_timeout: 20_000 })
  const prisma = new PrismaClient({ adapter, transactionOptions: { maxWait } })
  const cache = await createWriteBehind({ prisma, redis, models, policies, namespace })
  const close = async () => {
    await cache.close()
    await prisma.$disconnect()
  }
  return {
    cache,
    prisma,
    close,
    views: viewCounter.viewCounter(cache, prisma),
    likes: likes.likes(cache, prisma),
    board: leaderboard.leaderboard(cache, prisma),
    sensors: sensorHours.sensorHours(cache),
    presence: lastSeen.lastSeen(cache, prisma),
    drafts: autosave.autosave(cache),
    usage: llmUsage.llmUsage(cache, prisma),
    inventory: inventory.inventory(cache, prisma),
  }
}
