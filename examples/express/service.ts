/**
 * Page views behind Express: `POST /pages/:path/views` counts one, `GET /pages/:path` reads the count and `GET /top` the ten highest, views
 * not flushed yet included.
 * REDIS_URL and DATABASE_URL say where the servers are, PORT where to listen. SIGTERM ends it in order: the requests under way, then
 * what is still dirty, then the connections.
 */
import { once } from 'node:events'
import { PrismaPg } from '@prisma/adapter-pg'
import express, { type ErrorRequestHandler } from 'express'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, InvalidInputError, OutcomeUnknownError, WriteBehindError } from '../../src/index.js'

const { REDIS_URL = 'redis://127.0.0.1:6379', DATABASE_URL = '', NAMESPACE = 'pages', PORT = '3000' } = process.env

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: DATABASE_URL }) })
const redis = new Redis(REDIS_URL, { lazyConnect: true })
const policies = { pageView: { debounce: 500, maxWait: 2000, queries: 'flush' } } as const
const cache = await createWriteBehind({ prisma, redis, models, policies, namespace: NAMESPACE })
await cache.startWorker()
// Prisma's own calls, through the cache where they are about one record.
const db = prisma.$extends(cache.extension())

const app = express()

app.post('/pages/:path/views', async (request, response) => {
  await cache.pageView.increment({ path: request.params.path }, { views: 1 })
  response.sendStatus(202)
})

app.get('/pages/:path', async (request, response) => {
  const row = await db.pageView.findUnique({ where: { path: request.params.path }, select: { views: true } })
  response.json({ path: request.params.path, views: Number(row?.views ?? 0n) })
})

app.get('/top', async (_request, response) => {
  // A query over many rows is the database's to answer; what the cache holds of them is flushed first.
  const rows = await db.pageView.findMany({ orderBy: { views: 'desc' }, take: 10 })
  response.json(rows.map(({ path, views }) => ({ path, views: Number(views) })))
})

app.get('/health', async (_request, response) => {
  response.json(await cache.status())
})

const answerErrors: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (error instanceof InvalidInputError) response.status(400).json({ error: error.message })
  // The write may have been stored: sent again, an increment may count twice.
  else if (error instanceof OutcomeUnknownError) response.status(500).json({ error: error.code })
  // A backlog that is full, a Redis that is away: it passes.
  else if (error instanceof WriteBehindError) response.status(503).set('Retry-After', '1').json({ error: error.code })
  else next(error)
}
app.use(answerErrors)

const server = app.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log(`listening on http://127.0.0.1:${PORT}`)

process.once('SIGTERM', async () => {
  await new Promise((resolve) => server.close(resolve))
  const { dirty = 'an unknown number of' } = await cache.close()
  await prisma.$disconnect()
  console.log(`stopped; ${dirty} records stay dirty in Redis, for the next worker`)
})
