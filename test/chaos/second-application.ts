import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, WriteBehindError } from '../../src/index.js'

/** An application with the same models and the same namespace, and a database of its own. */
export class SecondApplication {
  readonly #prisma: PrismaClient
  readonly #namespace: string

  constructor(databaseUrl: string, namespace: string) {
    this.#prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
    this.#namespace = namespace
  }

  /** @throws Error if it is let in; whatever else keeps it from starting is none of the nemesis' business */
  async tryToStart(redisUrl: string): Promise<void> {
    const redis = new Redis(redisUrl, { lazyConnect: true })
    const setup = { prisma: this.#prisma, redis, models, namespace: this.#namespace, policies: { counter: {} } }
    const cache = await createWriteBehind(setup).catch((error: unknown) => {
      if (error instanceof WriteBehindError) return undefined
      throw error
    })
    if (cache === undefined) return
    await cache.close()
    throw new Error('an application with another database was let into the namespace')
  }

  async stop(): Promise<void> {
    await this.#prisma.$disconnect()
  }
}
