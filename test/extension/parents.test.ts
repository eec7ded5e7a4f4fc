/**
 * What is flushed first brings the rows that it refers to. A call in the database sees what was written before it, or fails: it never goes on
 * without it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRelationsStage, key } from './stage.js'

let stage: Awaited<ReturnType<typeof createRelationsStage>>
let authorId: string
let postId: string
let noteId: string

beforeAll(async () => {
  stage = await createRelationsStage()
})

afterAll(() => stage.close())

/** A chain of three, pending, whose children were written first. */
beforeEach(async () => {
  const { db } = stage
  authorId = key()
  postId = key()
  noteId = key()
  await db.note.create({ data: { id: noteId, postId, text: 'before' } })
  await db.post.create({ data: { id: postId, authorId, slug: postId, views: 7 } })
  await db.author.create({ data: { id: authorId, handle: authorId } })
})

describe('a call in the database sees a pending row, though its parents are pending too:', () => {
  test('updateMany', async () => {
    const { db, prisma } = stage
    expect(await db.post.updateMany({ where: { id: postId }, data: { views: 100 } })).toEqual({ count: 1 })
    expect(await db.post.findUnique({ where: { id: postId } })).toMatchObject({ views: 100 })
    expect(await prisma.post.findUnique({ where: { id: postId } })).toMatchObject({ views: 100 })
  })

  test('updateMany at the end of a chain of three', async () => {
    const { db } = stage
    expect(await db.note.updateMany({ where: { id: noteId }, data: { text: 'after' } })).toEqual({ count: 1 })
    expect(await db.note.findUnique({ where: { id: noteId } })).toMatchObject({ text: 'after' })
  })

  test('deleteMany', async () => {
    const { db, cache, prisma } = stage
    expect(await db.note.deleteMany({ where: { id: noteId } })).toEqual({ count: 1 })
    await cache.flush()
    expect(await prisma.note.findUnique({ where: { id: noteId } })).toBeNull()
  })

  test('raw SQL that changes rows', async () => {
    const { db } = stage
    expect(await db.$executeRaw`update "Note" set text = 'raw' where id = ${noteId}`).toBe(1)
    expect(await db.note.findUnique({ where: { id: noteId } })).toMatchObject({ text: 'raw' })
  })

  test('queries that are to see what was written', async () => {
    const { db } = stage
    expect(await db.note.count({ where: { id: noteId } })).toBe(1)
    expect(await db.post.findMany({ where: { id: postId }, include: { notes: true } })).toMatchObject([
      { views: 7, notes: [{ id: noteId }] },
    ])
    expect(await db.$queryRaw`select views from "Post" where id = ${postId}`).toEqual([{ views: 7 }])
  })

  test('another unique field', async () => {
    const { db } = stage
    expect(await db.post.update({ where: { slug: postId }, data: { views: { increment: 1 } } })).toMatchObject({ views: 8 })
    expect(await db.post.findUnique({ where: { slug: postId } })).toMatchObject({ views: 8 })
  })

  test('a nested write', async () => {
    const { db } = stage
    const updated = { notes: { updateMany: { where: { id: noteId }, data: { text: 'nested' } } } }
    await db.post.update({ where: { id: postId }, data: updated })
    expect(await db.note.findUnique({ where: { id: noteId } })).toMatchObject({ text: 'nested' })
    expect(await db.author.update({ where: { id: authorId }, data: { posts: { connect: { id: postId } } } })).toMatchObject({
      id: authorId,
    })
  })

  test('a row of a model that is not cached, which refers to it', async () => {
    const { db } = stage
    expect(await db.remark.create({ data: { noteId } })).toMatchObject({ noteId })
    expect(await db.remark.createMany({ data: [{ noteId }] })).toEqual({ count: 1 })
  })

  test.each(['interactive', 'batch'] as const)('a transaction that is %s', async (form) => {
    const { db } = stage
    if (form === 'batch') await db.$transaction([db.note.updateMany({ where: { id: noteId }, data: { text: 'within' } })])
    else await db.$transaction((tx) => tx.note.updateMany({ where: { id: noteId }, data: { text: 'within' } }))
    expect(await db.note.findUnique({ where: { id: noteId } })).toMatchObject({ text: 'within' })
  })

  test('a transaction that has locked a parent, which somebody else writes to', async () => {
    const { db, cache } = stage
    await cache.flush()
    const other = key()
    await db.$transaction(async (tx) => {
      await tx.author.update({ where: { id: authorId }, data: { name: 'locked' } })
      await cache.author.update({ where: { id: authorId }, data: { name: 'later' } })
      await db.post.create({ data: { id: other, authorId } })
      expect(await tx.post.updateMany({ where: { authorId }, data: { views: 3 } })).toEqual({ count: 2 })
    })
    expect(await db.author.findUnique({ where: { id: authorId } })).toMatchObject({ name: 'later' })
  })

  test('rows that refer to rows of their own model, in any order', async () => {
    const { db } = stage
    const ids = Array.from({ length: 6 }, () => key()).sort()
    for (const order of [ids, [...ids].reverse()])
      for (const [n, id] of order.entries())
        await db.author.upsert({ where: { id }, create: { id, bossId: order[n + 1] ?? null }, update: { bossId: order[n + 1] ?? null } })
    expect(await db.author.updateMany({ where: { id: { in: ids } }, data: { name: 'one of them' } })).toEqual({ count: ids.length })
  })
})

describe('a flush', () => {
  test('of everything, of one model and of one record takes parents before children, and parks nothing', async () => {
    const { db, cache, prisma } = stage
    const parked: string[] = []
    cache.events.on('parked', (event) => void parked.push(event.key))
    await cache.flush()
    expect(await prisma.note.findUnique({ where: { id: noteId } })).not.toBeNull()
    const others = [key(), key(), key(), key()] as const
    await db.note.create({ data: { id: others[0], postId: others[1] } })
    await db.post.create({ data: { id: others[1], authorId: others[2] } })
    await db.author.create({ data: { id: others[2] } })
    await cache.flush({ model: 'note' })
    expect(await prisma.note.findUnique({ where: { id: others[0] } })).not.toBeNull()
    expect(parked).toEqual([])
    await db.post.create({ data: { id: others[3], authorId } })
    await cache.flush({ model: 'post', key: { id: others[3] } })
    expect(await prisma.post.findUnique({ where: { id: others[3] } })).not.toBeNull()
  })

  test('goes round a circle as long as it gets on, and to children that were parked before', async () => {
    const { db, cache, prisma } = stage
    await cache.flush()
    const [author, post, note] = [key(), key(), key()]
    await db.note.create({ data: { id: note, postId: post } })
    await db.author.create({ data: { id: author, favouriteId: post } })
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
    await db.post.create({ data: { id: post, authorId } })
    await cache.flush()
    expect(await prisma.author.findUnique({ where: { id: author } })).toMatchObject({ favouriteId: post })
    expect(await prisma.note.findUnique({ where: { id: note } })).not.toBeNull()
    expect(await cache.parked()).toEqual([])
  })

  test.each(['ascending', 'descending'] as const)('brings in a row of rows that were parked, %s', async (order) => {
    const { db, cache, prisma } = stage
    await cache.flush()
    const ids = Array.from({ length: 6 }, () => key()).sort()
    if (order === 'descending') ids.reverse()
    const [root = '', ...others] = ids
    for (const [n, id] of others.entries()) await db.author.create({ data: { id, bossId: ids[n] ?? null } })
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
    await db.author.create({ data: { id: root } })
    await cache.flush()
    expect(await prisma.author.count({ where: { id: { in: ids } } })).toBe(ids.length)
  })

  test('takes a delete that waits for the delete of what refers to the row', async () => {
    const { cache, prisma, query } = stage
    await cache.flush()
    await query(
      'alter table "Note" drop constraint "Note_postId_fkey", add constraint "Note_postId_fkey" foreign key ("postId") references "Post"',
    )
    await cache.post.delete({ where: { id: postId } })
    await cache.note.delete({ where: { id: noteId } })
    await cache.flush()
    expect(await prisma.post.findUnique({ where: { id: postId } })).toBeNull()
    expect(await cache.parked()).toEqual([])
  })
})

describe('a call fails where what was written before cannot be flushed:', () => {
  /** Refused until `mend`: the author is missing. */
  let orphan: string
  let missing: string

  beforeEach(async () => {
    await stage.cache.flush()
    orphan = key()
    missing = key()
    await stage.db.post.create({ data: { id: orphan, authorId: missing, views: 7 } })
  })

  const mend = async () => {
    await stage.db.author.create({ data: { id: missing } })
    await stage.cache.flush()
  }

  const CALLS: readonly [string, () => Promise<unknown>][] = [
    ['updateMany', () => stage.db.post.updateMany({ data: { views: 100 } })],
    ['deleteMany', () => stage.db.post.deleteMany({ where: { authorId: 'nobody' } })],
    ['raw SQL', () => stage.db.$executeRaw`update "Post" set views = 100`],
    ['a query', () => stage.db.post.count()],
    ['a raw query', () => stage.db.$queryRaw`select from "Post"`],
    ['a query that includes it', () => stage.db.author.findMany({ include: { posts: true } })],
    ['a nested write', () => stage.db.author.update({ where: { id: authorId }, data: { posts: { deleteMany: {} } } })],
    ['a delete that cascades', () => stage.db.author.deleteMany({ where: { id: 'nobody' } })],
    ['an interactive transaction', () => stage.db.$transaction((tx) => tx.post.updateMany({ data: { views: 100 } }))],
    ['a batch', () => stage.db.$transaction([stage.db.author.count(), stage.db.post.updateMany({ data: { views: 100 } })])],
  ]

  test.each(CALLS)('%s', async (_, call) => {
    const { db, prisma } = stage
    await expect(call()).rejects.toMatchObject({ code: 'PARKED', model: 'Post', keys: [orphan] })
    await mend()
    expect(await prisma.post.findUnique({ where: { id: orphan } })).toMatchObject({ views: 7 })
    expect(await db.post.updateMany({ where: { id: orphan }, data: { views: 100 } })).toEqual({ count: 1 })
  })

  test('but not where it is only referred to, or of a model that is only a parent', async () => {
    const { db } = stage
    expect(await db.post.create({ data: { id: key(), author: { connect: { id: authorId } } } })).toMatchObject({ authorId })
    expect(await db.remark.create({ data: { noteId } })).toMatchObject({ noteId })
    expect(await db.note.updateMany({ where: { id: noteId }, data: { text: 'fine' } })).toEqual({ count: 1 })
    await mend()
  })
})
