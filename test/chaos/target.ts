import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Policy } from '../../src/index.js'
import { type ChildPlan, persistently } from './child.js'
import { NaiveCache } from './naive.js'
import type { Operation } from './operation.js'
import { familyOf } from './operation.js'

/** The design under test, which the writers write to and the workers run: the library, or the naive design. */
export interface Target {
  /** Rejects with an error whose `code` tells whether the write was stored. */
  write(operation: Operation): Promise<void>
  startWorker(): Promise<void>
}

/** These options are quicker than the defaults, so that more happens in a cycle. All others are the defaults. */
export const CHAOS_POLICY = { debounce: 200, maxWait: 1000, viewTtl: 5000, missingTtl: 1000 } as const satisfies Policy
export const CHAOS_WRITE_TIMEOUT = 4000

/** A query without an answer must end after this many ms, because the library's flush waits for it. */
const DATABASE_TIMEOUT = 5000

export type Tell = (event: string, model: string, detail: string) => void

export async function openTarget(plan: ChildPlan, tell: Tell): Promise<Target> {
  const adapter = new PrismaPg({
    connectionString: plan.databaseUrl,
    connectionTimeoutMillis: DATABASE_TIMEOUT,
    query_timeout: DATABASE_TIMEOUT,
  })
  const prisma = new PrismaClient({ adapter })
  if (plan.naive) return new NaiveCache(plan.redisUrl, plan.namespace, prisma)
  const cache = await persistently(() => open(plan, prisma))
  cache.events.on('adopted', ({ model, shard }) => tell('adopted', model, `${shard}`))
  cache.events.on('parked', ({ model, key, reason }) => tell('parked', model, `${key} ${reason}`))
  cache.events.on('failure', ({ step, model, error }) => tell('failure', model ?? '-', `${step} ${error.message}`))
  return {
    write: (operation) => write(cache, operation),
    startWorker: () => cache.startWorker(),
  }
}

function open({ redisUrl, namespace, defaults }: ChildPlan, prisma: PrismaClient) {
  const policy: Policy = defaults ? {} : CHAOS_POLICY
  return createWriteBehind({
    prisma,
    redis: new Redis(redisUrl, { lazyConnect: true }),
    models,
    namespace,
    policies: { counter: policy, pageView: policy, player: policy },
    ...(defaults ? {} : { writeTimeout: CHAOS_WRITE_TIMEOUT }),
  })
}

function write(cache: Awaited<ReturnType<typeof open>>, { id, kind, record, amount }: Operation): Promise<void> {
  if (familyOf(record) === 'counter') return cache.counter.increment({ name: record }, { value: amount })
  const amounts = { views: amount, bytes: amount * 10 }
  const player = { score: id, name: `v${id}` }
  switch (kind) {
    case 'add':
      return cache.pageView.increment({ path: record }, amounts)
    case 'visit': {
      const set = { lastStatus: id }
      const update = { views: { increment: amounts.views }, bytes: { increment: amounts.bytes }, ...set }
      return cache.pageView.upsert({ where: { path: record }, create: { ...amounts, ...set }, update })
    }
    case 'upsert':
      return cache.player.upsert({ where: { id: record }, create: player, update: player })
    case 'update':
      return cache.player.update({ where: { id: record }, data: player })
    case 'delete':
      return cache.player.delete({ where: { id: record } })
  }
}
