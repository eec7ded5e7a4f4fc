/** A process that sets one value through the cache, and stops or kills itself at a given point. It prints `hit` just before. */
import { writeSync } from 'node:fs'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { Store } from '../../src/redis/store.js'

/** `hold`: before anything is done. `statement`: under the hold. `release`: after the row is committed. */
export type Point = 'hold' | 'statement' | 'release'

export interface ChildArguments {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly namespace: string
  readonly strategy: 'write-through' | 'write-around'
  readonly value: number
  readonly point: Point
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function main(child: ChildArguments): Promise<void> {
  const { strategy, namespace, value, signal } = child
  let started = false
  const reach = (point: Point) => {
    if (!started || point !== child.point) return
    say('hit')
    process.kill(process.pid, signal)
  }
  const hold = Store.prototype.hold
  Store.prototype.hold = function (...args) {
    reach('hold')
    return hold.apply(this, args)
  }
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: child.databaseUrl }) })
  const client = {
    async $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      if (sql.startsWith('with fence')) reach('statement')
      const result = await prisma.$queryRawUnsafe<T>(sql, ...values)
      if (sql.startsWith('with fence')) reach('release')
      return result
    },
  }
  const redis = new Redis(child.redisUrl, { maxRetriesPerRequest: null })
  const policies = { counter: { strategy, shards: 2 } } as const
  const cache = await createWriteBehind({ prisma: client, redis, namespace, models, policies })
  await cache.counter.findUnique({ where: { name: 'a' } })
  started = true
  await cache.counter.update({ where: { name: 'a' }, data: { value } })
  await cache.close()
  redis.disconnect()
  await prisma.$disconnect()
}

await main(JSON.parse(process.argv[2] as string) as ChildArguments)
