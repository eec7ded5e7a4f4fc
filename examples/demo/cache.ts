import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind } from '../../src/index.js'

export interface Connections {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
}

/** The demo and its worker use the same policies. Each counter has a job of its own, so that the dashboard names it; there are only a few. */
const policies = { pageView: {}, reading: {}, player: {}, counter: { jobs: 'record' } } as const

export type DemoCache = Cache<typeof models, typeof policies>

export interface OpenCache {
  readonly cache: DemoCache
  readonly prisma: PrismaClient
  close(): Promise<void>
}

export async function openCache({ redisUrl, databaseUrl, namespace }: Connections): Promise<OpenCache> {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  // The cache copies the settings of this connection, which itself never connects.
  const redis = new Redis(redisUrl, { lazyConnect: true })
  const cache = await createWriteBehind({ prisma, redis, models, policies, namespace })
  const close = async () => {
    await cache.close()
    await prisma.$disconnect()
  }
  return { cache, prisma, close }
}
