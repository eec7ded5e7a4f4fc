import { Router } from 'express'
import type { Client } from '../client.js'

const PAGE = 10

export function users(db: Client): Router {
  const router = Router()

  router.post('/', async ({ body }, response) => {
    const user = await db.user.create({ data: body, omit: { updatedAt: true } })
    response.status(201).json(user)
  })

  router.get('/', async ({ query }, response) => {
    response.json(await listUsers(db, String(query.domain), Number(query.minimum ?? 0), Number(query.page ?? 0)))
  })

  router.get('/:id', async ({ params }, response) => {
    response.json(await db.user.findUniqueOrThrow({ where: { id: params.id }, omit: { email: true, updatedAt: true } }))
  })

  router.get('/:id/posts', async ({ params }, response) => {
    const user = await db.user.findUnique({
      where: { id: params.id },
      include: { posts: { include: { stat: true }, orderBy: { title: 'asc' } }, _count: { select: { comments: true, likes: true } } },
    })
    if (user === null) response.status(404).json({ error: 'no such user' })
    else
      response.json({ name: user.name, counts: user._count, posts: user.posts.map(({ title, stat }) => ({ title, views: stat?.views })) })
  })

  router.patch('/:id', async ({ params, body }, response) => {
    response.json(await db.user.update({ where: { id: params.id }, data: body }))
  })

  router.put('/by-email/:email', async ({ params: { email }, body }, response) => {
    response.json(await db.user.upsert({ where: { email }, create: { email, ...body }, update: body, select: { id: true, name: true } }))
  })

  /** Notes that a user was seen, as a busy application does all the time. */
  router.post('/:id/seen', async ({ params: { id } }, response) => {
    const data = { lastSeenAt: new Date(), reputation: { increment: 1 } }
    response.json(await db.user.update({ where: { id }, data, select: { reputation: true, lastSeenAt: true } }))
  })

  router.post('/:id/merge', async ({ params: { id }, body: { into } }, response) => {
    const [moved] = await db.$transaction([
      db.post.updateMany({ where: { authorId: id }, data: { authorId: into } }),
      db.user.update({ where: { id: into }, data: { reputation: { increment: 10 } } }),
      db.user.delete({ where: { id } }),
    ])
    response.json({ moved: moved.count })
  })

  router.delete('/:id', async ({ params: { id } }, response) => {
    response.json(await db.user.delete({ where: { id }, select: { id: true, name: true } }))
  })

  router.get('/:id/comments', async ({ params: { id } }, response) => {
    await db.user.findUniqueOrThrow({ where: { id }, select: { id: true } })
    response.json(await db.comment.findMany({ where: { author: { id } }, orderBy: { id: 'asc' }, select: { body: true } }))
  })

  return router
}

/** @param minimum reputation; 0 lists users with any reputation */
async function listUsers(db: Client, domain: string, minimum: number, page: number) {
  const where = { email: { endsWith: domain }, ...(minimum > 0 ? { reputation: { gte: minimum } } : {}) }
  const [users, total] = await db.$transaction([
    db.user.findMany({
      where,
      select: { id: true, name: true, reputation: true },
      orderBy: [{ reputation: 'desc' }, { name: 'asc' }],
      take: PAGE,
      skip: PAGE * page,
    }),
    db.user.count({ where }),
  ])
  return { users, total }
}
