import { PrismaPg } from '@prisma/adapter-pg'
import type { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/application/client/client.js'
import { models } from '../../generated/application/write-behind.js'
import { createWriteBehind, type Policies } from '../../src/index.js'

export type Client = Connection['db']
type Connection = Awaited<ReturnType<typeof connect>>

interface Settings {
  readonly redis: Redis
  readonly namespace: string
  readonly policies: Policies<typeof models>
}

/** What client.ts becomes when the application gets a cache. */
export async function connect(databaseUrl: string, { redis, namespace, policies }: Settings) {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  const cache = await createWriteBehind({ prisma, redis, namespace, models, policies })
  await cache.startWorker()
  const close = async () => {
    await cache.close()
    await prisma.$disconnect()
  }
  return { db: prisma.$extends(cache.extension()), prisma, cache, close }
}
