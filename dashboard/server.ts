import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { ConfigurationError, type WriteBehind, WriteBehindError } from '../src/index.js'
import {
  type Credentials,
  checkAccess,
  isLoopback,
  refuseCrossSite,
  requireCredentials,
  requireLoopbackName,
  securityHeaders,
} from './access.js'
import { refuseUnknown } from './routes.js'

export type { Credentials } from './access.js'

export interface DashboardOptions {
  /** The cache whose flushes the dashboard shows. The dashboard does not close it: close it yourself, after the dashboard. */
  readonly cache: Pick<WriteBehind, 'queues' | 'status' | 'parked'>
  /** The address to listen on. An address that is not loopback needs credentials. @default '127.0.0.1' */
  readonly host?: string
  /** The port to listen on; 0 takes one that is free. @default 3000 */
  readonly port?: number
  /** For HTTP Basic authentication. Put TLS in front of the dashboard, because Basic sends the password readably. */
  readonly credentials?: Credentials | undefined
}

const BOARD = '/queues'
const STATUS = '/status'
/** When the dashboard stops, requests under way have this many ms to end. */
const GRACE = 1000

/** Serves Bull Board for the flush queues at `/queues`, and tells at `/status`, as JSON, how many records are dirty and parked, and how late they are. */
export class Dashboard {
  readonly #host: string
  readonly #port: number
  readonly #app: Express
  #starting: Promise<Server> | undefined
  #stopping: Promise<void> | undefined

  /** @throws ConfigurationError for an unknown option, for credentials that cannot be used, and for a host that needs credentials and has none */
  constructor({ cache, host = '127.0.0.1', port = 3000, credentials, ...rest }: DashboardOptions) {
    const [unknown] = Object.keys(rest)
    if (unknown !== undefined) throw new ConfigurationError(`dashboard: expected only cache, host, port and credentials, got ${unknown}`)
    checkAccess(host, credentials)
    this.#host = host
    this.#port = port
    this.#app = createApp(cache, isLoopback(host), credentials)
  }

  /** Resolves to the dashboard's URL when it listens. */
  async start(): Promise<string> {
    this.#starting ??= this.#listen()
    const server = await this.#starting
    const { address, port } = server.address() as AddressInfo
    return `http://${isIPv6(address) ? `[${address}]` : address}:${port}`
  }

  /** Resolves when the requests under way have ended. */
  async stop(): Promise<void> {
    const starting = this.#starting
    this.#starting = undefined
    if (starting !== undefined) this.#stopping = starting.then(close, () => {})
    await this.#stopping
  }

  async #listen(): Promise<Server> {
    const server = createServer(this.#app)
    try {
      await once(server.listen(this.#port, this.#host), 'listening')
      return server
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }
}

function createApp(cache: DashboardOptions['cache'], onlyThisMachine: boolean, credentials: Credentials | undefined): Express {
  const app = express().disable('x-powered-by').use(securityHeaders).use(refuseMalformed)
  if (onlyThisMachine) app.use(requireLoopbackName)
  app.use(refuseCrossSite)
  if (credentials !== undefined) app.use(requireCredentials(credentials))
  app.get('/', (_request, response) => response.redirect(BOARD))
  app.get(STATUS, async (_request, response) => {
    const answer = await Promise.all([cache.status(), cache.parked()]).then(([models, parked]) => ({ models, parked }), toProblem)
    response.status('problem' in answer ? 503 : 200)
    response.type('json').send(JSON.stringify(answer, undefined, 2))
  })
  return app.use(BOARD, refuseUnknown, requireRedis(cache.queues), createBoard(cache.queues)).use(answerFailure)
}

/** Answers in our own words, because Express and Bull Board would quote the malformed address. */
const refuseMalformed: RequestHandler = ({ path }, response, next) => {
  if (isDecodable(path)) return next()
  response.status(400).type('text').send('The address is malformed.')
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/** Answers without a stack trace and without the error's message, which may quote values. */
const answerFailure: ErrorRequestHandler = (error, _request, response, _next) => {
  const { status, message } = toFailure(error)
  response.headersSent ? response.destroy() : response.status(status).type('text').send(message)
}

function toFailure(error: unknown): { status: number; message: string } {
  const { status } = (error ?? {}) as { status?: unknown }
  const isTheirs = typeof status === 'number' && status >= 400 && status < 500
  return isTheirs ? { status, message: 'The request is malformed.' } : { status: 500, message: 'The request failed.' }
}

/** Answers when Redis is away or goes away meanwhile, because Bull Board's own commands would wait for Redis silently. */
function requireRedis(queues: DashboardOptions['cache']['queues']): RequestHandler {
  return async (_request, response, next) => {
    const client = await queues[0]?.backend.client
    if (client === undefined) return next()
    const refuse = () => {
      if (response.headersSent) response.destroy()
      else response.status(503).type('text').send('Redis cannot be reached, or the cache is closed. Open /status to see what is wrong.')
    }
    if (client.status !== 'ready') return refuse()
    client.once('close', refuse)
    response.once('close', () => client.off('close', refuse))
    next()
  }
}

/** Turns the library's own errors into an answer: Redis is away, or the cache is closed. */
function toProblem(error: unknown): { problem: string } {
  if (error instanceof WriteBehindError) return { problem: error.message }
  throw error
}

function createBoard(queues: DashboardOptions['cache']['queues']): Express {
  const serverAdapter = new ExpressAdapter()
  serverAdapter.setBasePath(BOARD)
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, labelOf(queue.name))),
    serverAdapter,
    options: {
      uiConfig: {
        boardTitle: 'write-behind',
        hideDocsLink: true,
        miscLinks: [{ text: 'Dirty and parked records (JSON)', url: STATUS }],
      },
    },
  })
  serverAdapter.setErrorHandler((error) => {
    const { status, message } = toFailure(error)
    return { status: status as 500, body: { error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' }, message } }
  })
  return serverAdapter.getRouter() as Express
}

/** @param queueName is `<namespace>.<model>`; a model's name contains no dot */
function labelOf(queueName: string): { displayName: string; delimiter: string; description: string } {
  const model = queueName.slice(queueName.lastIndexOf('.') + 1)
  return {
    displayName: model,
    delimiter: '.',
    description: `Jobs hold no data: Empty, Obliterate, Clean and Remove lose nothing, because the workers add the jobs again. Jobs cannot be added or changed here. Pause stops the flushes of ${model}: its writes then wait in Redis until you press Resume.`,
  }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  // A browser may hold a spare connection that never sent a request. Node does not count it as idle, so it is closed by force.
  const timer = setTimeout(() => server.closeAllConnections(), GRACE)
  await closed
  clearTimeout(timer)
}
