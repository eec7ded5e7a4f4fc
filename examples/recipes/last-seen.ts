/**
 * Remembers when each user was last active. `seen` may run with every request: a user who is active all day costs the database about
 * one change of a row each minute.
 *
 * Trap: with `set`, a server whose clock is behind, or a call that was held up, would put the time back. `max` only moves it on. The times have a table of their
 * own, because in the table of the users each flush would rewrite a wide row and change its `@updatedAt`.
 */
import type { PrismaClient } from '../../generated/recipes/client/client.js'
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { presence: { debounce: 15_000, maxWait: 60_000 } }

/** Ms. Much longer than `maxWait`, so that nobody goes offline because of a late flush. */
const ONLINE = 5 * 60_000

export function lastSeen(cache: Cache<typeof models, typeof policies>, prisma: PrismaClient) {
  return {
    /**
     * No request should wait for it or fail with it. It may be repeated after any error.
     * @param at comes from your own clock, because a time in the future would stay
     */
    async seen(userId: string, at = new Date()): Promise<void> {
      await cache.presence.max({ userId }, { lastSeenAt: at })
    },

    /** From Redis; `null` for a user who was never seen. */
    async lastSeenAt(userId: string): Promise<Date | null> {
      const row = await cache.presence.findUnique({ where: { userId } })
      return row?.lastSeenAt ?? null
    },

    /** From the database, as of its last flush. A user who has just come is missing until then. */
    countOnline(now = new Date()): Promise<number> {
      return prisma.presence.count({ where: { lastSeenAt: { gt: new Date(now.getTime() - ONLINE) } } })
    },

    /** Call it after the sessions of the user have ended, because a later `seen` makes the row again. */
    async forgetUser(userId: string): Promise<void> {
      await cache.presence.delete({ where: { userId } })
    },
  }
}
