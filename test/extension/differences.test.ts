/** Where the extension differs from plain Prisma, as docs/extension.md says: what only the database can know, and queries left stale. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createRelatedStage } from './stage.js'

let stage: Awaited<ReturnType<typeof createRelatedStage>>
let author: { id: string; email: string }
let postId: string

beforeAll(async () => {
  stage = await createRelatedStage()
})

afterAll(() => stage.close())

beforeEach(async () => {
  const { prisma } = stage
  author = await prisma.user.create({ data: { email: `${randomUUID()}@example.org`, name: 'Ada' } })
  postId = (await prisma.post.create({ data: { authorId: author.id, title: 'On engines' } })).id
})

test('a value that is taken, in a field that is not the key: the record is parked, and written when it is mended', async () => {
  const { db, cache, prisma } = stage
  const id = randomUUID()
  expect(await db.user.create({ data: { id, email: author.email, name: 'Eve' } })).toMatchObject({ id, email: author.email })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', model: 'User' })
  expect(await cache.parked()).toMatchObject([
    { model: 'User', key: id, reason: expect.stringContaining('23505, constraint users_email_key') },
  ])
  expect(await db.user.findUnique({ where: { id }, select: { name: true } })).toEqual({ name: 'Eve' })

  await db.user.update({ where: { id }, data: { email: `${id}@example.org` } })
  await cache.flush()
  expect(await cache.parked()).toEqual([])
  expect(await prisma.user.findUnique({ where: { id } })).toMatchObject({ name: 'Eve', email: `${id}@example.org` })
})

test('a parent that is not there: the record is parked, and written when the parent has come', async () => {
  const { db, cache, prisma } = stage
  const missing = randomUUID()
  const where = { userId_postId: { userId: author.id, postId: missing } }
  await db.like.create({ data: { userId: author.id, postId: missing, weight: 3 } })
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', model: 'Like' })
  expect(await cache.parked()).toMatchObject([{ model: 'Like', reason: expect.stringContaining('23503, constraint likes_post_id_fkey') }])
  expect(await db.like.findUnique({ where })).toMatchObject({ weight: 3 })

  await prisma.post.create({ data: { id: missing, authorId: author.id, title: 'Late' } })
  await cache.flush()
  expect(await cache.parked()).toEqual([])
  expect(await prisma.like.findUnique({ where })).toMatchObject({ weight: 3 })
})

test('a child that keeps its parent: the parent that cannot be deleted is refused at once, as the database is asked', async () => {
  const { db, cache, prisma } = stage
  await stage.query(`create table kept (author text references users (id) on delete restrict)`)
  await stage.query('insert into kept values ($1)', [author.id])
  await expect(db.user.delete({ where: { id: author.id } })).rejects.toMatchObject({ code: 'P2003' })
  await cache.flush()
  expect(await prisma.user.findUnique({ where: { id: author.id } })).toMatchObject({ name: 'Ada' })
  await stage.query('drop table kept')
})

test('queries over many records: `flush` sees what was written, `stale` what was flushed; reads by key see all', async () => {
  const { db, cache } = stage
  await db.like.create({ data: { userId: author.id, postId } })
  await db.postStat.create({ data: { postId, views: 5 } })
  expect(await db.like.count({ where: { postId } })).toBe(1)
  expect(await db.postStat.count({ where: { postId } })).toBe(0)
  expect(await db.postStat.aggregate({ where: { postId }, _sum: { views: true } })).toEqual({ _sum: { views: null } })
  expect(await db.postStat.findUnique({ where: { postId } })).toMatchObject({ views: 5n })
  await cache.flush()
  expect(await db.postStat.count({ where: { postId } })).toBe(1)
})
