import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient as ApplicationClient } from '../../generated/application/client/client.js'
import { models as applicationModels } from '../../generated/application/write-behind.js'
import { PrismaClient as RelationsClient } from '../../generated/relations/client/client.js'
import { models as relationsModels } from '../../generated/relations/write-behind.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Policies } from '../../src/index.js'
import { createDatabase, createMigratedDatabase, createRedis } from '../fixture.js'

/** With these options nothing is flushed unless a test or the extension does it. */
export const DEFERRED = { shards: 2, debounce: 3_600_000, maxWait: 3_600_000, viewTtl: 3_600_000, missingTtl: 3_600_000 } as const

/** Opens a stage with this repository's own models, which have no relations. */
export async function createStage() {
  const { redis, namespace, clean } = createRedis()
  const database = await createDatabase()
  const policies = {
    counter: DEFERRED,
    pageView: { ...DEFERRED, queries: 'flush' },
    reading: { ...DEFERRED, strategy: 'write-through' },
    player: DEFERRED,
    document: DEFERRED,
  } as const
  const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
  const close = async () => {
    await cache.close()
    await clean()
    await database.drop()
  }
  return { ...database, redis, namespace, cache, db: database.prisma.$extends(cache.extension()), close }
}

/** Opens a stage with the models of test/application, which have relations. Comments are not cached. */
export async function createRelatedStage() {
  const { redis, namespace, clean } = createRedis()
  const database = await createMigratedDatabase(new URL('../application/prisma/migrations/', import.meta.url))
  const prisma = new ApplicationClient({ adapter: new PrismaPg({ connectionString: database.url }) })
  const policies = { user: DEFERRED, post: DEFERRED, like: { ...DEFERRED, queries: 'flush' }, postStat: DEFERRED } as const
  const cache = await createWriteBehind({ prisma, redis, namespace, models: applicationModels, policies })
  const close = async () => {
    await cache.close()
    await prisma.$disconnect()
    await clean()
    await database.drop()
  }
  return { ...database, prisma, cache, db: prisma.$extends(cache.extension()), close }
}

const RELATED = { note: { ...DEFERRED, queries: 'flush' }, post: { ...DEFERRED, queries: 'flush' }, author: DEFERRED } as const

/**
 * Opens a stage with the models of test/relations, which refer to each other in every way. Remarks and pins are not cached.
 * @param sends sends each statement of the cache, and may fail before or after that
 */
export async function createRelationsStage<const P extends Policies<typeof relationsModels> = typeof RELATED>(
  policies: P = RELATED as unknown as P,
  sends: (statement: () => Promise<unknown>) => Promise<unknown> = (statement) => statement(),
) {
  const { redis, namespace, clean } = createRedis()
  const database = await createMigratedDatabase(new URL('../relations/prisma/migrations/', import.meta.url))
  const prisma = new RelationsClient({ adapter: new PrismaPg({ connectionString: database.url }) })
  const client = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) => sends(() => prisma.$queryRawUnsafe<T>(sql, ...values)) as Promise<T>,
    $transaction: (statements: never) => prisma.$transaction(statements) as Promise<unknown>,
  }
  const cache = await createWriteBehind({ prisma: client, redis, namespace, models: relationsModels, policies })
  const close = async () => {
    await cache.close()
    await prisma.$disconnect()
    await clean()
    await database.drop()
  }
  return { ...database, prisma, redis, namespace, cache, db: prisma.$extends(cache.extension()), close }
}

/** Resolves to the result or the error of a call, so that plain Prisma and the extension can be compared. Leaves out the place in the source. */
export async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    const { name, code, meta, message } = error as { name: string; code?: string; meta?: unknown; message: string }
    return { name, code, meta: JSON.parse(JSON.stringify(meta ?? null)), message: message.split('\n').at(-1) }
  }
}

export function key(): string {
  return randomUUID()
}
