import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind } from '../../src/index.js'

const { REDIS_URL = 'redis://127.0.0.1:6379', DATABASE_URL = '', NAMESPACE = 'pages' } = process.env
const policies = { pageView: { debounce: 500, maxWait: 2000 } }

export const CACHE = Symbol('cache')
export type PageCache = Cache<typeof models, typeof policies>

async function connect(prisma: PrismaClient): Promise<PageCache> {
  const redis = new Redis(REDIS_URL, { lazyConnect: true })
  const cache = await createWriteBehind({ prisma, redis, models, policies, namespace: NAMESPACE })
  await cache.startWorker()
  return cache
}

/** Provides the Prisma client and the cache. Closes both when the application has answered its last request. */
@Module({
  providers: [
    { provide: PrismaClient, useFactory: () => new PrismaClient({ adapter: new PrismaPg({ connectionString: DATABASE_URL }) }) },
    { provide: CACHE, useFactory: connect, inject: [PrismaClient] },
  ],
  exports: [CACHE, PrismaClient],
})
export class CacheModule implements OnApplicationShutdown {
  constructor(
    @Inject(CACHE) private readonly cache: PageCache,
    @Inject(PrismaClient) private readonly prisma: PrismaClient,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    const { dirty = 'an unknown number of' } = await this.cache.close()
    await this.prisma.$disconnect()
    console.log(`stopped; ${dirty} records stay dirty in Redis, and the next worker flushes them`)
  }
}
