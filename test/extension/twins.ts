import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Policy } from '../../src/index.js'
import type { Delegate } from '../equivalence/calls.js'
import { createDatabase, createRedis } from '../fixture.js'

export type Name = keyof typeof models

/** The part of a client that both twins have. */
export type Client = Readonly<Record<Name, Delegate>> & {
  $transaction<T>(run: ((transaction: Client) => Promise<T>) | Promise<T>[]): Promise<T>
}

export type Twins = Awaited<ReturnType<typeof createTwins>>

/** Opens plain Prisma, and Prisma with the extension on a database of its own. Nothing is flushed unless the extension or a test does it. */
export async function createTwins(policy: Policy) {
  const { redis, namespace, clean } = createRedis()
  const [underneath, beside] = [await createDatabase(), await createDatabase()]
  const deferred = { ...policy, queries: 'flush', debounce: 3_600_000, maxWait: 3_600_000 } as const
  const policies = { counter: deferred, pageView: deferred, reading: deferred, player: deferred, document: deferred }
  const cache = await createWriteBehind({ prisma: underneath.prisma, redis, namespace, models, policies })
  const close = async () => {
    await cache.close()
    await clean()
    await underneath.drop()
    await beside.drop()
  }
  return {
    plain: beside.prisma as unknown as Client,
    extended: underneath.prisma.$extends(cache.extension()) as unknown as Client,
    /** A client without the extension, on the database of the extended client. */
    underneath: underneath.prisma as unknown as Client,
    cache,
    holds: () => redis.keys(`{${namespace}/*}/hold*`),
    close,
  }
}
