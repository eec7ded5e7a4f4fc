/**
 * Keeps the best score, the sum and the number of games of each player in a season.
 *
 * Trap: only the database can put players in order, so the top ten are as old as the last flush, while `standing` sees every acknowledged score. Where that
 * matters (the end of a season, a prize), flush first, as `finalTopTen` does.
 */
import type { PrismaClient } from '../../generated/recipes/client/client.js'
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { score: { debounce: 1000, maxWait: 3000 } }

export interface Standing {
  readonly player: string
  readonly best: number
}

export function leaderboard(cache: Cache<typeof models, typeof policies>, prisma: PrismaClient) {
  /** The index (season, best, player) has this order. Players with the same score are ordered by name, so that pages do not shuffle them. */
  function topTen(season: string): Promise<Standing[]> {
    const orderBy = [{ best: 'desc' as const }, { player: 'asc' as const }]
    return prisma.score.findMany({ where: { season }, orderBy, take: 10, select: { player: true, best: true } })
  }

  return {
    /**
     * One write changes all three fields, or none. If it is repeated after `OUTCOME_UNKNOWN`, the sum and the number of games may count the game
     * twice; the best score stays right.
     */
    async scored(season: string, player: string, points: number): Promise<void> {
      await cache.score.upsert({
        where: { season_player: { season, player } },
        create: { best: points, total: points, games: 1 },
        update: { best: { max: points }, total: { increment: points }, games: { increment: 1 } },
      })
    },

    /** From Redis, with every acknowledged score; `null` for somebody who has not played. */
    standing(season: string, player: string): Promise<{ best: number; total: bigint; games: number } | null> {
      return cache.score.findUnique({ where: { season_player: { season, player } }, select: { best: true, total: true, games: true } })
    },

    topTen,

    /** It includes every score that was acknowledged before the call. It throws if the database cannot take them all now. */
    async finalTopTen(season: string): Promise<Standing[]> {
      await cache.flush({ model: 'score' })
      return topTen(season)
    },
  }
}
