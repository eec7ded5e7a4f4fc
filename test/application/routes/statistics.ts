import { Router } from 'express'
import type { Client } from '../client.js'

/** The counters, which are written far more often than anything else. */
export function statistics(db: Client): Router {
  const router = Router()

  router.post('/:postId/views', async ({ params: { postId }, body: { score } }, response) => {
    const lastViewedAt = new Date()
    const stat = await db.postStat.upsert({
      where: { postId },
      create: { postId, views: 1, lastViewedAt, ...(score === undefined ? {} : { score }) },
      update: { views: { increment: 1 }, lastViewedAt, ...(score === undefined ? {} : { score }) },
    })
    response.json(stat)
  })

  router.get('/:postId/stat', async ({ params: { postId } }, response) => {
    response.json(await db.postStat.findUniqueOrThrow({ where: { postId }, select: { views: true, score: true } }))
  })

  router.post('/:postId/stat/reset', async ({ params: { postId } }, response) => {
    response.json(await db.postStat.update({ where: { postId }, data: { views: 0, score: { set: 0 }, lastViewedAt: null } }))
  })

  return router
}
