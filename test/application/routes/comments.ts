import { Router } from 'express'
import type { Client } from '../client.js'

export function comments(db: Client): Router {
  const router = Router()

  router.post('/:postId/comments', async ({ params: { postId }, body: { authorId, body } }, response) => {
    response.status(201).json(await db.comment.create({ data: { postId, authorId, body } }))
  })

  router.get('/:postId/comments', async ({ params: { postId } }, response) => {
    const found = await db.comment.findMany({
      where: { postId },
      include: { author: { select: { name: true } }, post: { include: { stat: true } } },
      orderBy: { id: 'asc' },
    })
    response.json(found.map(({ body, author, post }) => ({ body, author: author?.name ?? null, views: post.stat?.views })))
  })

  router.delete('/:postId/comments/:id', async ({ params }, response) => {
    response.json(await db.comment.delete({ where: { id: Number(params.id) } }))
  })

  return router
}
