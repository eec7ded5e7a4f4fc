/**
 * Counts page views behind Fastify. `POST /pages/:path/views` counts one view, and `GET /pages/:path` reads the count, which includes views that are
 * not flushed yet. The cache is a plugin that Fastify closes after the last request.
 * REDIS_URL and DATABASE_URL say where the servers are, PORT where to listen. SIGTERM stops the service in order.
 */
import { PrismaPg } from '@prisma/adapter-pg'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, InvalidInputError, OutcomeUnknownError, WriteBehindError } from '../../src/index.js'

const { REDIS_URL = 'redis://127.0.0.1:6379', DATABASE_URL = '', NAMESPACE = 'pages', PORT = '3000' } = process.env
const policies = { pageView: { debounce: 500, maxWait: 2000 } }

declare module 'fastify' {
  interface FastifyInstance {
    cache: Cache<typeof models, typeof policies>
  }
}

async function addCache(app: FastifyInstance): Promise<void> {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: DATABASE_URL }) })
  const redis = new Redis(REDIS_URL, { lazyConnect: true })
  const cache = await createWriteBehind({ prisma, redis, models, policies, namespace: NAMESPACE })
  cache.events.on('failure', ({ step, error }) =>
    app.log.warn({ step, err: error }, 'a step of write-behind failed and will be tried again'),
  )
  cache.events.on('parked', (event) => app.log.error(event, 'the database refuses a record, which is parked'))
  await cache.startWorker()
  app.decorate('cache', cache)
  app.addHook('onClose', async () => {
    const { dirty = 'an unknown number of' } = await cache.close()
    await prisma.$disconnect()
    app.log.info(`stopped; ${dirty} records stay dirty in Redis, and the next worker flushes them`)
  })
}

const app = Fastify({ logger: true })
await addCache(app)

app.post<{ Params: { path: string } }>('/pages/:path/views', async (request, reply) => {
  await app.cache.pageView.increment({ path: request.params.path }, { views: 1 })
  return reply.code(202).send()
})

app.get<{ Params: { path: string } }>('/pages/:path', async ({ params: { path } }) => {
  const row = await app.cache.pageView.findUnique({ where: { path }, select: { views: true } })
  return { path, views: Number(row?.views ?? 0n) }
})

app.get('/health', () => app.cache.status())

app.setErrorHandler((error, _request, reply) => {
  if (error instanceof InvalidInputError) return reply.code(400).send({ error: error.message })
  // The write may have been stored. If the client sends an increment again, it may count twice.
  if (error instanceof OutcomeUnknownError) return reply.code(500).send({ error: error.code })
  // The backlog is full or Redis is away. Both pass, so the client may try again.
  if (error instanceof WriteBehindError) return reply.code(503).header('Retry-After', '1').send({ error: error.code })
  throw error
})

await app.listen({ port: Number(PORT), host: '127.0.0.1' })
process.once('SIGTERM', () => app.close())
