/**
 * Counts the views of pages. A page that is viewed all the time costs the database about one change of its row every 5 s.
 *
 * Trap: whoever requests pages chooses the keys. Count a page only after you have found it, and without its query string; otherwise a robot fills
 * the table.
 */
import type { PrismaClient } from '../../generated/recipes/client/client.js'
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { pageView: { debounce: 1000, maxWait: 5000 } }

export function viewCounter(cache: Cache<typeof models, typeof policies>, prisma: PrismaClient) {
  return {
    /**
     * Let no page wait for its count, and let no page fail with it: `viewed(path).catch(report)`. Do not repeat a call that failed with
     * `OUTCOME_UNKNOWN`, because the view may then count twice.
     */
    async viewed(path: string): Promise<void> {
      const lastViewedAt = new Date()
      await cache.pageView.upsert({
        where: { path },
        create: { views: 1n, lastViewedAt },
        update: { views: { increment: 1n }, lastViewedAt: { max: lastViewedAt } },
      })
    },

    /** From Redis. It includes every view that was acknowledged. */
    async views(path: string): Promise<bigint> {
      const row = await cache.pageView.findUnique({ where: { path }, select: { views: true } })
      return row?.views ?? 0n
    },

    /**
     * From the database, as of its last flush, because only the database can compare all pages. It reads the whole table; an index on `views` would be
     * changed by each flush.
     */
    mostViewed(count = 10): Promise<{ path: string; views: bigint }[]> {
      const orderBy = [{ views: 'desc' as const }, { path: 'asc' as const }]
      return prisma.pageView.findMany({ orderBy, take: count, select: { path: true, views: true } })
    },
  }
}
