import { Router } from 'express'
import type { Client } from '../client.js'

export function likes(db: Client): Router {
  const router = Router()

  router.post('/:postId/likes/:userId', async ({ params: { postId, userId }, body }, response) => {
    const like = await db.like.create({ data: { userId, postId, ...body } })
    response.status(201).json({ weight: like.weight })
  })

  router.put('/:postId/likes/:userId', async ({ params: { postId, userId }, body: { weight } }, response) => {
    const where = { userId_postId: { userId, postId } }
    response.json(await db.like.upsert({ where, create: { userId, postId, weight }, update: { weight }, select: { weight: true } }))
  })

  router.get('/:postId/likes/:userId', async ({ params: { postId, userId } }, response) => {
    const like = await db.like.findUnique({ where: { userId_postId: { userId, postId } } })
    response.json({ liked: like !== null, weight: like?.weight ?? 0 })
  })

  router.delete('/:postId/likes/:userId', async ({ params: { postId, userId } }, response) => {
    const like = await db.like.delete({ where: { userId_postId: { userId, postId } } })
    response.json({ weight: like.weight })
  })

  router.get('/:postId/likes', async ({ params: { postId } }, response) => {
    const [count, { _sum }] = await Promise.all([
      db.like.count({ where: { postId } }),
      db.like.aggregate({ where: { postId }, _sum: { weight: true } }),
    ])
    response.json({ count, weight: _sum.weight ?? 0 })
  })

  return router
}
