import type { Redis } from 'ioredis'
import type { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind } from '../../src/index.js'
import { until } from '../until.js'
import { withStatementFailpoints } from './failpoints.js'

/**
 * The work of the process under test: rounds of writes, reads between them, a worker, and a close. It passes every failpoint. The writes of a
 * round go to Redis in one call, so that either the whole round is stored or nothing of it.
 */

/**
 * A batch of one record is never split, so the batch with the refused record must have more. A slow database halves the next batch, but it will hardly
 * halve four records twice before that batch.
 */
const POLICY = { shards: 1, batchSize: 4, debounce: 20, maxWait: 100, backoff: 20, maxBackoff: 60, viewTtl: 60_000 }
export const ROUNDS = 3
/** A step of the subject must come to its end within this many ms. */
export const TIMEOUT = 60_000
/** The subject looks again after this many ms. */
export const PAUSE = 15
/** The database refuses this record until it is deleted from the table `refused`. */
export const REFUSED = 'bad'
/** Records that the subject and the other writers change. */
export const SHARED = ['a', 'b', 'c', REFUSED] as const
/** A row that exists at the beginning. The subject deletes it, inserts it again, and deletes it again. */
export const DELETED = 'gone'

export type SubjectCache = Cache<typeof models, { pageView: typeof POLICY }>

export interface Target {
  readonly prisma: PrismaClient
  readonly redis: Redis
  readonly namespace: string
}

export interface Journal {
  begun(round: number): void
  done(round: number): void
}

export async function connectCache({ prisma, redis, namespace }: Target): Promise<SubjectCache> {
  const client = withStatementFailpoints(prisma)
  return createWriteBehind({ prisma: client, redis, namespace, models, policies: { pageView: POLICY }, sweepInterval: 60 })
}

export function pathOf(namespace: string, key: string): string {
  return `${namespace}/${key}`
}

/** @param isKnownFailure tells whether the failpoint caused the error. The call is then made again. */
export async function playSubject(target: Target, journal: Journal, isKnownFailure: (error: unknown) => boolean): Promise<void> {
  const { namespace } = target
  const again = <T>(call: () => Promise<T>) => repeat(call, isKnownFailure)
  const cache = await connectCache(target)
  await writeRound(cache, namespace, 1, journal)
  await again(() => readAll(cache, namespace, 1))
  await cache.startWorker()
  await again(() => readAll(cache, namespace, 1))
  await writeRound(cache, namespace, 2, journal)
  await again(() => readAll(cache, namespace, 2))
  const isParked = async () => (await cache.parked()).length > 0
  await until(
    'the second round to be persisted and a record to be parked',
    TIMEOUT,
    async () => (await isPersisted(target, 2)) && isParked(),
    PAUSE,
  )
  await writeRound(cache, namespace, 3, journal)
  await again(() => readAll(cache, namespace, 3))
  await until('the third round to be persisted', TIMEOUT, () => isPersisted(target, 3), PAUSE)
  await again(() => cache.close({ deadline: 3000 }))
}

async function writeRound(cache: SubjectCache, namespace: string, round: number, journal: Journal): Promise<void> {
  const gone = { path: pathOf(namespace, DELETED) }
  journal.begun(round)
  await Promise.all([
    ...SHARED.map((key) => cache.pageView.increment({ path: pathOf(namespace, key) }, { views: round })),
    cache.pageView.update({ where: { path: pathOf(namespace, 'a') }, data: { lastStatus: round } }),
    round % 2 === 1
      ? cache.pageView.delete({ where: gone })
      : cache.pageView.upsert({ where: gone, create: { views: round }, update: { views: round } }),
  ])
  journal.done(round)
}

/** Checks that every read sees what this process wrote before. */
async function readAll(cache: SubjectCache, namespace: string, rounds: number): Promise<void> {
  const { views, lastStatus } = rowAfter(rounds)
  for (const key of SHARED) {
    const row = await cache.pageView.findUnique({ where: { path: pathOf(namespace, key) } })
    if (row?.views !== views) throw new Error(`the process wrote ${views} views of ${key}, but a read shows ${row?.views}`)
    if (key === 'a' && row.lastStatus !== lastStatus)
      throw new Error(`the process wrote the status ${lastStatus}, but a read shows ${row.lastStatus}`)
  }
  const gone = await cache.pageView.findUnique({ where: { path: pathOf(namespace, DELETED) } })
  if ((gone !== null) !== (rounds % 2 === 0))
    throw new Error(`after ${rounds} rounds a read says that the row ${DELETED} is ${gone === null ? 'missing' : 'there'}`)
}

/** What the subject's writes have made of the shared records after this many rounds. */
export function rowAfter(rounds: number): { views: bigint; lastStatus: number | null } {
  return { views: BigInt((rounds * (rounds + 1)) / 2), lastStatus: rounds === 0 ? null : rounds }
}

async function isPersisted({ prisma, namespace }: Target, rounds: number): Promise<boolean> {
  const row = await prisma.pageView.findUnique({ where: { path: pathOf(namespace, 'a') } })
  return row !== null && row.views === rowAfter(rounds).views
}

async function repeat<T>(call: () => Promise<T>, isKnownFailure: (error: unknown) => boolean): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isKnownFailure(error)) throw error
    }
  }
}
