import { Router } from 'express'
import { Prisma } from '../../../generated/application/client/client.js'
import type { Client } from '../client.js'

export function reports(db: Client): Router {
  const router = Router()

  router.get('/top', async ({ query }, response) => {
    const top = await db.$queryRaw<{ title: string; views: bigint; likes: bigint }[]>`
      select p.title, s.views, (select count(*) from likes l where l.post_id = p.id) as likes
      from posts p join post_stats s on s.post_id = p.id join users u on u.id = p.author_id
      where u.email = ${String(query.author)} order by s.views desc, p.title`
    response.json(top)
  })

  router.get('/totals', async ({ query }, response) => {
    const author = { email: String(query.author) }
    const [views, statuses, drafts] = await Promise.all([
      db.postStat.aggregate({ where: { post: { author } }, _sum: { views: true }, _max: { views: true }, _count: true }),
      db.post.groupBy({ by: ['status'], where: { author }, _count: { _all: true }, orderBy: { status: 'asc' } }),
      db.post.count({ where: { author, status: 'DRAFT' } }),
    ])
    response.json({ views, statuses, drafts })
  })

  router.post('/decay', async ({ body: { author } }, response) => {
    const changed = await db.$executeRaw`
      update post_stats set views = views / 2
      where post_id in (select p.id from posts p join users u on u.id = p.author_id where u.email = ${author})`
    response.json({ changed })
  })

  router.post('/recount', async ({ body: { author } }, response) => {
    const likes = Prisma.sql`select sum(l.weight) from likes l join posts p on p.id = l.post_id where p.author_id = u.id`
    const [row] = await db.$queryRaw<{ reputation: number }[]>`
      update users u set reputation = coalesce((${likes}), 0) where u.email = ${author} returning u.reputation`
    response.json(row)
  })

  return router
}
