/**
 * Counts page views behind Express. `POST /pages/:path/views` counts one view, `GET /pages/:path` reads the count, and `GET /top` lists the ten
 * highest counts. All of them include views that are not flushed yet.
 * REDIS_URL and DATABASE_URL say where the servers are, PORT where to listen. On SIGTERM the service ends the requests under way, flushes
 * what is still dirty, and closes the connections.
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
// These are Prisma's own calls. A call about one record goes through the cache.
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
  // The database answers a query over many rows. The cache flushes its changes of this model first.
  const rows = await db.pageView.findMany({ orderBy: { views: 'desc' }, take: 10 })
  response.json(rows.map(({ path, views }) => ({ path, views: Number(views) })))
})

app.get('/health', async (_request, response) => {
  response.json(await cache.status())
})

const answerErrors: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (error instanceof InvalidInputError) response.status(400).json({ error: error.message })
  // The write may have been stored. If the client sends an increment again, it may count twice.
  else if (error instanceof OutcomeUnknownError) response.status(500).json({ error: error.code })
  // The backlog is full or Redis is away. Both pass, so the client may try again.
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
  console.log(`stopped; ${dirty} records stay dirty in Redis, and the next worker flushes them`)
})
