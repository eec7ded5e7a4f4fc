import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRelatedStage, createStage, key } from './stage.js'

let stage: Awaited<ReturnType<typeof createStage>>
let related: Awaited<ReturnType<typeof createRelatedStage>>

beforeAll(async () => {
  stage = await createStage()
  related = await createRelatedStage()
})

afterAll(async () => {
  await stage.close()
  await related.close()
})

describe('what one record cannot answer', () => {
  test('reads the database as it is, or flushes first: the model says', async () => {
    const { db, cache } = stage
    const name = key()
    await db.counter.create({ data: { name } })
    expect(await db.counter.findMany({ where: { name } })).toEqual([])
    expect(await db.counter.count({ where: { name } })).toBe(0)
    await db.pageView.create({ data: { path: name, views: 3 } })
    expect(await db.pageView.findFirst({ where: { path: name }, select: { views: true } })).toEqual({ views: 3n })
    await db.pageView.update({ where: { path: name }, data: { views: { increment: 1 } } })
    expect(await db.pageView.aggregate({ where: { path: name }, _sum: { views: true } })).toEqual({ _sum: { views: 4n } })
    await db.pageView.update({ where: { path: name }, data: { views: { increment: 1 } } })
    expect(await db.$queryRaw`select views from page_views where path = ${name}`).toEqual([{ views: 5n }])
    expect(await cache.counter.isPersisted({ name })).toBe(false)
  })

  test('a record with its relations is read with its acknowledged writes', async () => {
    const { db, prisma } = related
    const author = await prisma.user.create({ data: { email: key(), name: 'Ada' } })
    const post = await db.post.create({ data: { authorId: author.id, title: 'one' } })
    expect(await db.post.findUnique({ where: { id: post.id }, include: { author: true } })).toEqual({ ...post, author })
    await db.post.update({ where: { id: post.id }, data: { title: 'two' } })
    expect(await db.post.findUnique({ where: { id: post.id } }).author()).toEqual(author)
    expect(await db.post.findUnique({ where: { id: post.id }, select: { title: true, likes: true } })).toEqual({ title: 'two', likes: [] })
  })

  test('a record with a filter beside its key is read, and changed, with its acknowledged writes', async () => {
    const { db, cache } = stage
    const [name, other] = [key(), key()]
    await db.counter.create({ data: { name, value: 1 } })
    await db.counter.create({ data: { name: other } })
    expect(await db.counter.findUnique({ where: { name, value: 1 } })).toEqual({ name, value: 1n })
    expect(await db.counter.update({ where: { name, value: 1 }, data: { value: 2 } })).toEqual({ name, value: 2n })
    expect(await db.counter.findUnique({ where: { name, value: 1 } })).toBeNull()
    expect(await cache.counter.isPersisted({ name: other })).toBe(false)
  })

  test('models that a query of another model reaches are flushed first, if they say so', async () => {
    const { db, prisma } = related
    const author = await prisma.user.create({ data: { email: key(), name: 'Ada' } })
    const post = await prisma.post.create({ data: { authorId: author.id, title: 't' } })
    await db.like.create({ data: { userId: author.id, postId: post.id } })
    const found = await db.comment.findMany({ where: { post: { likes: { some: {} } } } })
    expect(found).toEqual([])
    expect(await prisma.like.count({ where: { postId: post.id } })).toBe(1)
    await db.like.delete({ where: { userId_postId: { userId: author.id, postId: post.id } } })
    expect(await db.post.findFirst({ where: { id: post.id }, select: { _count: true } })).toMatchObject({ _count: { likes: 0 } })
  })
})

describe('writes that are not about one record', () => {
  test('updateMany, deleteMany and createMany see what was acknowledged, and leave no view behind', async () => {
    const { db } = stage
    const [a, b] = [key(), key()]
    await db.counter.create({ data: { name: a, value: 1 } })
    await db.counter.findUnique({ where: { name: b } })
    expect(await db.counter.createMany({ data: [{ name: b, value: 2 }] })).toEqual({ count: 1 })
    expect(await db.counter.findUnique({ where: { name: b } })).toEqual({ name: b, value: 2n })
    expect(await db.counter.updateMany({ where: { name: { in: [a, b] } }, data: { value: { multiply: 10 } } })).toEqual({ count: 2 })
    expect(await db.counter.findUnique({ where: { name: a } })).toEqual({ name: a, value: 10n })
    const rows = await db.counter.updateManyAndReturn({ where: { name: a }, data: { value: 7 } })
    expect(rows).toEqual([{ name: a, value: 7n }])
    expect(await db.counter.deleteMany({ where: { name: { in: [a, b] } } })).toEqual({ count: 2 })
    expect(await db.counter.findUnique({ where: { name: a } })).toBeNull()
  })

  test('what the library cannot do to one record is done by Prisma', async () => {
    const { db } = stage
    const id = key()
    await db.document.create({ data: { id, title: 't', body: {}, tags: ['a'], rank: 3 } })
    expect(await db.document.update({ where: { id }, data: { tags: { push: 'b' } } })).toMatchObject({ tags: ['a', 'b'] })
    expect(await db.document.update({ where: { id, title: 't' }, data: { rank: { multiply: 2 } } })).toMatchObject({ rank: 6 })
    expect(await db.document.findUnique({ where: { id } })).toMatchObject({ tags: ['a', 'b'], rank: 6 })
    const other = key()
    expect(await db.document.update({ where: { id }, data: { id: other } })).toMatchObject({ id: other, rank: 6 })
    expect(await db.document.findUnique({ where: { id } })).toBeNull()
    expect(await db.document.findUnique({ where: { id: other } })).toMatchObject({ rank: 6 })
  })

  test('raw SQL that names a table of a cached model', async () => {
    const { db, prisma } = stage
    const name = key()
    await db.counter.create({ data: { name, value: 1 } })
    expect(await db.$executeRaw`update "Counter" set value = value * 3 where name = ${name}`).toBe(1)
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 3n })
    await db.counter.update({ where: { name }, data: { value: { increment: 1 } } })
    expect(await db.$queryRawUnsafe('delete from "Counter" where name = $1 returning value', name)).toEqual([{ value: 4n }])
    expect(await db.counter.findUnique({ where: { name } })).toBeNull()
    expect(await prisma.counter.findUnique({ where: { name } })).toBeNull()
  })

  test('nested writes, cascades, and rows that refer to what is not in the database yet', async () => {
    const { db, prisma, cache } = related
    const user = await db.user.create({ data: { id: key(), email: key(), name: 'Ada' } })
    const post = await db.post.create({ data: { authorId: user.id, title: 't' } })
    expect(await prisma.user.count({ where: { id: user.id } })).toBe(0)
    const comment = await db.comment.create({ data: { postId: post.id, body: 'first' } })
    expect(comment.id).toBeGreaterThan(0)

    expect(await db.postStat.findUnique({ where: { postId: post.id } })).toBeNull()
    await db.post.update({ where: { id: post.id }, data: { stat: { create: { views: 3 } } } })
    expect(await db.postStat.findUnique({ where: { postId: post.id } })).toMatchObject({ views: 3n })
    await db.postStat.update({ where: { postId: post.id }, data: { views: { increment: 1 } } })
    await db.like.create({ data: { userId: user.id, postId: post.id } })

    expect(await db.user.delete({ where: { id: user.id } })).toMatchObject({ name: 'Ada' })
    expect(await db.post.findUnique({ where: { id: post.id } })).toBeNull()
    expect(await db.postStat.findUnique({ where: { postId: post.id } })).toBeNull()
    await cache.flush()
    expect(await cache.parked()).toEqual([])
    expect(await prisma.like.count({ where: { userId: user.id } })).toBe(0)
  })

  test('a create whose key the library does not make up', async () => {
    const { db, prisma } = related
    const user = await db.user.create({ data: { email: key(), name: 'Ada' } })
    expect(await prisma.user.findUnique({ where: { id: user.id } })).toEqual(user)
    expect(await db.user.findUnique({ where: { id: user.id } })).toEqual(user)
  })

  test('write-through: the row and the view change together', async () => {
    const { db, prisma } = stage
    const where = { device_metric: { device: key(), metric: 'm' } }
    const at = new Date(0)
    const row = await db.reading.create({ data: { ...where.device_metric, value: 1, at } })
    expect(await prisma.reading.findUnique({ where })).toEqual(row)
    await db.reading.update({ where, data: { value: 2, samples: { increment: 1 } } })
    expect(await db.reading.findUnique({ where })).toEqual({ ...row, value: 2, samples: 1 })
    expect(await db.reading.delete({ where })).toMatchObject({ value: 2 })
    expect(await db.reading.findUnique({ where })).toBeNull()
  })
})
