import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, WriteBehindError } from '../../src/index.js'

/** An application with the same models and the same namespace, but with another database. */
export class SecondApplication {
  readonly #prisma: PrismaClient
  readonly #namespace: string

  constructor(databaseUrl: string, namespace: string) {
    this.#prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
    this.#namespace = namespace
  }

  /**
   * Starts the application and tries to flush. While its database is away the application may start, but it must not flush. Any error of the
   * library counts as a refusal.
   * @throws Error when the application may flush
   */
  async tryToStart(redisUrl: string): Promise<void> {
    const redis = new Redis(redisUrl, { lazyConnect: true })
    const setup = { prisma: this.#prisma, redis, models, namespace: this.#namespace, policies: { counter: {} } }
    const cache = await createWriteBehind(setup).catch(refusal)
    if (cache === undefined) return
    try {
      const flushed = await cache.flush().catch(refusal)
      if (flushed !== undefined) throw new Error(`an application with another database was let into the namespace ${this.#namespace}`)
    } finally {
      await cache.close({ drain: 'none' })
    }
  }

  async stop(): Promise<void> {
    await this.#prisma.$disconnect()
  }
}

/** @throws the error, unless it is one of the library */
function refusal(error: unknown): undefined {
  if (error instanceof WriteBehindError) return undefined
  throw error
}
