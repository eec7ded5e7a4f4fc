/** What a call in the database does through relations: keys that relations give, rows that are deleted along, rows that are referred to. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { models } from '../../generated/application/write-behind.js'
import { createRelatedStage } from './stage.js'

let stage: Awaited<ReturnType<typeof createRelatedStage>>

beforeAll(async () => {
  stage = await createRelatedStage()
})

afterAll(() => stage.close())

const someone = () => ({ name: 'someone', email: `${randomUUID()}@example.com` })

/** A user with two posts, in the database. */
async function userWithPosts(): Promise<{ userId: string; postId: string; otherId: string }> {
  const data = { ...someone(), posts: { create: [{ title: 'one' }, { title: 'two' }] } }
  const { id, posts } = await stage.prisma.user.create({ data, include: { posts: true } })
  const [postId = '', otherId = ''] = posts.map((post) => post.id)
  return { userId: id, postId, otherId }
}

const likeOf = (userId: string, postId: string) => ({ userId_postId: { userId, postId } })

test('a row whose key is given by relations is not taken by an older delete of that key', async () => {
  const { db, cache, prisma } = stage
  const { userId, postId } = await userWithPosts()
  const where = likeOf(userId, postId)
  await db.like.create({ data: { userId, postId } })
  await db.like.delete({ where })
  await db.like.create({ data: { user: { connect: { id: userId } }, post: { connect: { id: postId } } } })
  expect(await db.like.findUnique({ where })).toMatchObject({ weight: 1 })
  await cache.flush()
  expect(await prisma.like.findUnique({ where })).toMatchObject({ weight: 1 })
})

test('a row whose key is changed by a relation is found under the new one, and not under the old one', async () => {
  const { db } = stage
  const { userId, postId, otherId } = await userWithPosts()
  await db.like.create({ data: { userId, postId } })
  expect(await db.like.findUnique({ where: likeOf(userId, otherId) })).toBeNull()
  await db.like.update({ where: likeOf(userId, postId), data: { post: { connect: { id: otherId } } } })
  expect(await db.like.findUnique({ where: likeOf(userId, otherId) })).toMatchObject({ weight: 1 })
  expect(await db.like.findUnique({ where: likeOf(userId, postId) })).toBeNull()
})

test('rows that are deleted along with a row in a nested write are gone from the cache too', async () => {
  const { db } = stage
  const { userId, postId, otherId } = await userWithPosts()
  for (const id of [postId, otherId]) {
    await db.postStat.create({ data: { postId: id, views: 5 } })
    expect(await db.postStat.findUnique({ where: { postId: id } })).toMatchObject({ views: 5n })
  }
  await db.user.update({ where: { id: userId }, data: { posts: { delete: { id: postId } } } })
  expect(await db.postStat.findUnique({ where: { postId } })).toBeNull()
  expect(await db.postStat.findUnique({ where: { postId: otherId } })).toMatchObject({ views: 5n })
  await db.user.update({ where: { id: userId }, data: { posts: { deleteMany: {} } } })
  expect(await db.postStat.findUnique({ where: { postId: otherId } })).toBeNull()
})

test('a nested create finds the row that it refers to, though that is not flushed yet', async () => {
  const { db } = stage
  const { userId } = await userWithPosts()
  const { id: postId } = await db.post.create({ data: { authorId: userId, title: 'pending' } })
  const { id } = await db.user.create({ data: { ...someone(), likes: { create: { postId } } } })
  expect(await db.like.findUnique({ where: likeOf(id, postId) })).toMatchObject({ weight: 1 })
})

test('a nested create of a row that is not cached finds the row that it refers to, too', async () => {
  const { db, prisma } = stage
  const { userId } = await userWithPosts()
  const { id: postId } = await db.post.create({ data: { authorId: userId, title: 'pending' } })
  const { id } = await db.user.create({ data: { ...someone(), comments: { create: { postId, body: 'first' } } } })
  expect(await prisma.comment.findMany({ where: { authorId: id } })).toMatchObject([{ postId }])
})

test('a fluent call answers with the related row', async () => {
  const { db } = stage
  const { userId } = await userWithPosts()
  const author = await db.post.create({ data: { author: { connect: { id: userId } }, title: 'fluent' } }).author()
  expect(author).toMatchObject({ id: userId })
})

test('the generator says of which relation a row can be taken over', () => {
  const { PostStat, Post } = models.post.relations
  expect(PostStat.post).toEqual({ to: 'Post', fields: ['postId'], references: ['id'], single: true })
  expect(Post.author).toEqual({ to: 'User', fields: ['authorId'], references: ['id'] })
})
