/** A small blog over HTTP, written as if there were no cache. It knows only Prisma, and nothing of what its client does besides. */
import express, { type Express } from 'express'
import type { Client } from './client.js'
import { answerErrors } from './errors.js'
import { comments } from './routes/comments.js'
import { likes } from './routes/likes.js'
import { posts } from './routes/posts.js'
import { reports } from './routes/reports.js'
import { statistics } from './routes/statistics.js'
import { users } from './routes/users.js'

export function createApp(db: Client): Express {
  const app = express()
  app.set('json replacer', (_: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))
  app.use(express.json())
  app.use('/users', users(db))
  app.use('/posts', posts(db), comments(db), statistics(db), likes(db))
  app.use('/reports', reports(db))
  app.use(answerErrors)
  return app
}
