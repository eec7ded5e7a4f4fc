import { Router } from 'express'
import type { Client } from '../client.js'
import { Forbidden } from '../errors.js'

const TRANSFER_FEE = 5

export function posts(db: Client): Router {
  const router = Router()

  /** Creates a post with its statistics and first comments in one nested write. */
  router.post('/', async ({ body: { authorId, comments = [], ...data } }, response) => {
    const post = await db.post.create({
      data: { ...data, author: { connect: { id: authorId } }, stat: { create: {} }, comments: { create: comments } },
      include: { stat: true, comments: { select: { body: true } } },
    })
    response.status(201).json(post)
  })

  router.post('/import', async ({ body }, response) => {
    response.status(201).json(await db.post.createMany({ data: body, skipDuplicates: true }))
  })

  router.post('/publish', async ({ body: { ids } }, response) => {
    const data = { status: 'PUBLISHED', revision: { increment: 1 } } as const
    response.json(await db.post.updateMany({ where: { id: { in: ids }, status: 'DRAFT' }, data }))
  })

  router.get('/', async ({ query }, response) => {
    response.json(await listPosts(db, String(query.author), query.tag && String(query.tag)))
  })

  router.get('/newest', async ({ query }, response) => {
    const where = { author: { email: String(query.author) } }
    response.json(await db.post.findFirst({ where, orderBy: { createdAt: 'desc' }, select: { title: true } }))
  })

  router.get('/:id', async ({ params }, response) => {
    const post = await db.post.findUniqueOrThrow({
      where: { id: params.id },
      include: { author: { select: { name: true } }, stat: true, comments: { orderBy: { id: 'asc' }, select: { body: true } } },
    })
    response.json(post)
  })

  /** Shows what an editor opens, and saves every few seconds. */
  router.get('/:id/source', async ({ params }, response) => {
    const select = { title: true, body: true, tags: true, meta: true, status: true, revision: true } as const
    const post = await db.post.findUnique({ where: { id: params.id }, select })
    if (post === null) response.status(404).json({ error: 'no such post' })
    else response.json(post)
  })

  router.patch('/:id', async ({ params, body }, response) => {
    const data = { ...body, revision: { increment: 1 } }
    response.json(await db.post.update({ where: { id: params.id }, data, select: { title: true, body: true, revision: true } }))
  })

  /** Saves a body only if the post still has the revision that the editor has seen. */
  router.put('/:id/body', async ({ params: { id }, body: { body, revision } }, response) => {
    response.json(await db.post.update({ where: { id, revision }, data: { body, revision: { increment: 1 } } }))
  })

  router.post('/:id/transfer', async ({ params: { id }, body: { to } }, response) => {
    const { authorId, revision } = await transfer(db, id, to)
    response.json({ authorId, revision })
  })

  router.delete('/', async ({ query }, response) => {
    response.json(await db.post.deleteMany({ where: { author: { email: String(query.author) }, status: 'DRAFT' } }))
  })

  router.delete('/:id', async ({ params }, response) => {
    await db.post.delete({ where: { id: params.id } })
    response.status(204).end()
  })

  return router
}

async function listPosts(db: Client, email: string, tag: string | undefined) {
  const found = await db.post.findMany({
    where: { author: { email }, ...(tag ? { tags: { has: tag } } : {}) },
    select: { title: true, status: true, _count: { select: { likes: true } } },
    orderBy: { title: 'asc' },
  })
  return found.map(({ _count, ...post }) => ({ ...post, likes: _count.likes }))
}

/** Gives a post to another author for a fee. @throws Forbidden when its author cannot pay, and then nothing changes */
function transfer(db: Client, id: string, to: string) {
  return db.$transaction(async (transaction) => {
    const { authorId } = await transaction.post.findUniqueOrThrow({ where: { id } })
    const moved = await transaction.post.update({ where: { id }, data: { authorId: to, revision: { increment: 1 } } })
    await transaction.user.update({ where: { id: to }, data: { reputation: { increment: TRANSFER_FEE } } })
    const payer = await transaction.user.update({ where: { id: authorId }, data: { reputation: { decrement: TRANSFER_FEE } } })
    if (payer.reputation < 0) throw new Forbidden('the author cannot pay for the transfer')
    return moved
  })
}
