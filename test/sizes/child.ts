/** A process that flushes everything once, and prints the parked records. Its database client kills the process at a statement that contains the bomb. */
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, ParkedError } from '../../src/index.js'

export interface ChildArguments {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
  /** A text. The process dies when a parameter of a statement contains it. */
  readonly bomb?: string
}

const { redisUrl, databaseUrl, namespace, bomb } = JSON.parse(process.argv[2] as string) as ChildArguments
const redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
const client = {
  $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
    if (bomb !== undefined && values.some((value) => String(value).includes(bomb))) process.kill(process.pid, 'SIGKILL')
    return prisma.$queryRawUnsafe<T>(sql, ...values)
  },
}
const cache = await createWriteBehind({ prisma: client, redis, namespace, models, policies: { document: { shards: 1 } } })
try {
  await cache.flush({ timeout: 60_000 })
} catch (error) {
  if (!(error instanceof ParkedError)) throw error
}
const parked = (await cache.parked()).map(({ key, reason }) => ({ key, reason }))
await cache.close()
await prisma.$disconnect()
redis.disconnect()
console.log(JSON.stringify(parked))
