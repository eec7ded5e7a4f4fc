/** What an application does with the library: it writes, reads, flushes, and gets an error. The tests run it in every environment. */
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../../generated/client/client.js'
import { models } from '../../../generated/write-behind.js'
import { createWriteBehind, InvalidInputError } from '../../../src/index.js'

const { REDIS_URL = '', DATABASE_URL = '' } = process.env

/** @param path of a page, which is the namespace, too. Resolves to JSON. */
export async function application(path: string): Promise<string> {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: DATABASE_URL }) })
  const redis = new Redis(REDIS_URL, { lazyConnect: true })
  const cache = await createWriteBehind({ prisma, redis, models, namespace: path, policies: { pageView: {} } })
  await cache.startWorker()
  await Promise.all(Array.from({ length: 100 }, () => cache.pageView.increment({ path }, { views: 1 })))
  const cached = await cache.pageView.findUnique({ where: { path } })
  await cache.flush()
  const refused = await cache.pageView.increment({ path }, { views: 0.5 }).catch((error: unknown) => error instanceof InvalidInputError)
  await cache.close()
  const stored = await prisma.pageView.findUnique({ where: { path } })
  await prisma.$disconnect()
  return JSON.stringify({ cached: Number(cached?.views), stored: Number(stored?.views), refused })
}
