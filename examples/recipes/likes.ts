/**
 * Users like posts, and take it back. The answer comes from Redis, and a user who clicks ten times costs one row.
 *
 * Trap: a user likes a post only once. So the user is a part of the key, and a like is a row, not an increment: two clicks, two servers or a repeated
 * request make the same row. A counter of likes beside the rows would drift, because a process may die between its two calls.
 *
 * The rows have no foreign keys. A like that reaches the database after its post was deleted would otherwise be refused, and stay parked.
 */
import type { PrismaClient } from '../../generated/recipes/client/client.js'
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { like: { debounce: 500, maxWait: 2000 } }

export function likes(cache: Cache<typeof models, typeof policies>, prisma: PrismaClient) {
  const db = prisma.$extends(cache.extension())
  const where = (userId: string, postId: string) => ({ postId_userId: { postId, userId } })

  return {
    /** A second like changes nothing, and keeps the time of the first one. It may be repeated after any error. */
    async like(userId: string, postId: string): Promise<void> {
      await cache.like.upsert({ where: where(userId, postId), create: {}, update: {} })
    },

    /** It may be repeated after any error. If a like and an unlike come at the same time, the one that Redis gets last counts. */
    async unlike(userId: string, postId: string): Promise<void> {
      await cache.like.delete({ where: where(userId, postId) })
    },

    /** From Redis. Users see their own click at once. */
    async hasLiked(userId: string, postId: string): Promise<boolean> {
      return (await cache.like.findUnique({ where: where(userId, postId) })) !== null
    },

    /** From the database, as of its last flush: about `maxWait` old at most while a worker runs. The index of the key finds the rows. */
    countLikes(postId: string): Promise<number> {
      return prisma.like.count({ where: { postId } })
    },

    /** Call it when nobody can like the post any more. Likes that are still in Redis are flushed first, and then deleted with the others. */
    async forgetPost(postId: string): Promise<void> {
      await db.like.deleteMany({ where: { postId } })
    },
  }
}
