/** The client extension: what goes through the cache, and what goes to the database, and that both say what Prisma says. */
import { PrismaPg } from '@prisma/adapter-pg'
import { Decimal, skip } from '@prisma/client/runtime/client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Prisma, PrismaClient } from '../../generated/client/client.js'
import { createRelatedStage, createStage, key, outcome } from './stage.js'

let stage: Awaited<ReturnType<typeof createStage>>
let related: Awaited<ReturnType<typeof createRelatedStage>>

type Extended = (typeof stage)['db']

beforeAll(async () => {
  stage = await createStage()
  related = await createRelatedStage()
})

afterAll(async () => {
  await stage.close()
  await related.close()
})

describe('one record', () => {
  test('takes a Decimal for JSON as Prisma does: a number, but a text inside of it', async () => {
    const { db, prisma } = stage
    const body = [new Decimal('1.50'), { a: new Decimal('1.50') }, new Decimal('9007199254740993'), new Decimal('1e-400')] as never[]
    for (const each of body) {
      const [ours, theirs] = [key(), key()]
      const created = await db.document.create({ data: { id: ours, title: 't', body: each } })
      expect(created.body).toEqual((await prisma.document.create({ data: { id: theirs, title: 't', body: each } })).body)
    }
  })

  test('has no list where none was named, as Prisma has it: SQL can tell that from an empty one', async () => {
    const { db, prisma, cache, query } = stage
    const [ours, theirs] = [key(), key()]
    expect(await db.document.create({ data: { id: ours, title: 't', body: {} } })).toMatchObject({ tags: [] })
    await prisma.document.create({ data: { id: theirs, title: 't', body: {} } })
    await cache.flush()
    const rows = await query<{ tags: unknown }>('select tags from "Document" where id in ($1, $2)', [ours, theirs])
    expect(rows).toEqual([{ tags: null }, { tags: null }])
    await cache.document.invalidate({ id: ours })
    expect(await db.document.findUnique({ where: { id: ours } })).toMatchObject({ tags: [] })
  })

  test('is created, changed, read and deleted in Redis, and answered as Prisma answers', async () => {
    const { db, prisma, cache } = stage
    const id = key()
    const created = await db.document.create({
      data: { id, title: 'one', body: { a: [1, null] }, price: '1.005', blob: new Uint8Array([1, 2]) },
    })
    expect(created).toEqual({
      id,
      title: 'one',
      body: { a: [1, null] },
      meta: null,
      tags: [],
      state: 'DRAFT',
      price: new Decimal('1.01'),
      blob: new Uint8Array([1, 2]),
      note: null,
      rank: null,
      flag: false,
      createdAt: expect.any(Date),
    })
    expect(await db.document.update({ where: { id }, data: { rank: 4, meta: Prisma.JsonNull, tags: ['x'] } })).toMatchObject({
      rank: 4,
      tags: ['x'],
    })
    expect(await db.document.update({ where: { id }, data: { rank: { increment: 3 } }, select: { rank: true } })).toEqual({ rank: 7 })
    expect(await db.document.upsert({ where: { id }, create: { id, title: 'x', body: {} }, update: { title: 'two' } })).toMatchObject({
      title: 'two',
      rank: 7,
    })
    expect(await prisma.document.findUnique({ where: { id } })).toBeNull()
    expect(await cache.document.pending({ id })).toMatchObject({ kind: 'insert' })
    await cache.flush()
    expect(await prisma.document.findUnique({ where: { id } })).toEqual(await db.document.findUniqueOrThrow({ where: { id } }))

    expect(await db.document.delete({ where: { id }, select: { title: true } })).toEqual({ title: 'two' })
    expect(await db.document.findUnique({ where: { id } })).toBeNull()
    expect(await prisma.document.findUnique({ where: { id } })).not.toBeNull()
    await cache.flush()
    expect(await prisma.document.findUnique({ where: { id } })).toBeNull()
  })

  test('that is deleted and created again is replaced', async () => {
    const { db, prisma, cache } = stage
    const name = key()
    await prisma.counter.create({ data: { name, value: 5 } })
    await db.counter.delete({ where: { name } })
    expect(await db.counter.create({ data: { name } })).toEqual({ name, value: 0n })
    expect(await db.counter.update({ where: { name }, data: { value: { increment: 2n ** 60n } } })).toEqual({ name, value: 2n ** 60n })
    await cache.flush()
    expect(await prisma.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n ** 60n })
  })

  test('gets its defaults from the library: the answer is the row that is written', async () => {
    const { db, prisma, cache } = related
    const author = await prisma.user.create({ data: { email: key(), name: 'Ada' } })
    const post = await db.post.create({ data: { authorId: author.id, title: 't' } })
    expect(post.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(await prisma.post.findUnique({ where: { id: post.id } })).toBeNull()
    await cache.flush()
    expect(await prisma.post.findUnique({ where: { id: post.id } })).toEqual(post)
  })

  test('has one time in all fields that a call fills in, as with Prisma: a row that was never changed shows it', async () => {
    const { db, prisma } = related
    const author = await prisma.user.create({ data: { email: key(), name: 'Ada' } })
    let time = Date.now()
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => time++)
    try {
      const { createdAt, updatedAt } = await db.post.create({ data: { authorId: author.id, title: 't' } })
      expect(createdAt).toEqual(updatedAt)
    } finally {
      clock.mockRestore()
    }
  })

  test('an upsert inserts what create says, changes what update says, and one that changes nothing writes nothing', async () => {
    const { db, cache } = stage
    const path = key()
    const at = new Date('2020-01-01T00:00:00Z')
    const args = { where: { path }, create: { path, views: 100, updatedAt: at }, update: { views: { increment: 1 }, updatedAt: at } }
    expect(await db.pageView.upsert(args)).toMatchObject({ views: 100n, updatedAt: at })
    expect(await db.pageView.upsert(args)).toMatchObject({ views: 101n, updatedAt: at })
    await cache.flush()
    expect(await db.pageView.upsert({ ...args, update: {} })).toMatchObject({ views: 101n, updatedAt: at })
    expect(await db.pageView.update({ where: { path }, data: {} })).toMatchObject({ updatedAt: at })
    expect(await cache.pageView.isPersisted({ path })).toBe(true)
    for (const data of [{ path }, { views: 1 }]) {
      await db.pageView.update({ where: { path }, data: { updatedAt: at } })
      expect((await db.pageView.update({ where: { path }, data })).updatedAt.getTime()).toBeGreaterThan(at.getTime())
    }
  })

  test('many at once go in a few calls, and none of them is added up with another', async () => {
    const { db } = stage
    const name = key()
    await db.counter.create({ data: { name } })
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => db.counter.update({ where: { name }, data: { value: { increment: 1 } } })),
    )
    expect(new Set(answers.map(({ value }) => value)).size).toBe(100)
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 100n })
  })
})

describe('select and omit', () => {
  test('are honoured, and those of the client too', async () => {
    const { db, url, cache } = stage
    const id = key()
    await db.player.create({ data: { id, name: 'n' } })
    expect(await db.player.findUnique({ where: { id }, omit: { score: true } })).toEqual({ id, name: 'n' })
    expect(await db.player.findUnique({ where: { id }, select: { score: true, name: false } })).toEqual({ score: 0 })

    const adapter = new PrismaPg({ connectionString: url })
    const omitting = new PrismaClient({ adapter, omit: { player: { name: true } } })
    const extended = omitting.$extends(cache.extension())
    expect(await extended.player.findUnique({ where: { id } })).toEqual({ id, score: 0 })
    expect(await extended.player.findUnique({ where: { id }, omit: { name: false } })).toEqual({ id, name: 'n', score: 0 })
    expect(await extended.player.update({ where: { id }, data: { score: 2 } })).toEqual({ id, score: 2 })
    await omitting.$disconnect()
  })
})

test('fields that the client computes are there, also those computed of a field that is left out', async () => {
  const { prisma, cache } = stage
  const label = {
    needs: { name: true, score: true },
    compute: ({ name, score }: { name: string; score: number }) => `${name} ${score}`,
  } as const
  const computing = prisma.$extends({ result: { player: { label } } })
  const db = computing.$extends(cache.extension())
  const id = key()
  await db.player.create({ data: { id, name: 'n' } })
  await cache.flush()
  const calls = [{}, { omit: { name: true } }, { omit: { name: true, label: true } }, { select: { label: true } }, { select: { id: true } }]
  for (const shape of calls as object[]) {
    const args = { where: { id }, ...shape }
    expect(JSON.stringify(await db.player.findUnique(args))).toEqual(JSON.stringify(await computing.player.findUnique(args)))
  }
  expect(await db.player.update({ where: { id }, data: { score: 2 }, omit: { score: true } })).toMatchObject({ label: 'n 2' })
})

test('Prisma.skip leaves out what it stands for, in JSON too', async () => {
  const { url, cache } = stage
  const configOverride = (config: object) => ({ ...config, previewFeatures: ['strictUndefinedChecks'] })
  const strict = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }), __internal: { configOverride } } as never)
  const db = strict.$extends(cache.extension())
  const id = key()
  expect(await db.document.create({ data: { id, title: 't', body: {}, meta: skip as never } })).toMatchObject({ meta: null })
  await strict.$disconnect()
})

describe('what Prisma refuses', () => {
  const id = key()
  const calls: [string, (db: Extended) => Promise<unknown>][] = [
    ['a row that is there already', (db) => db.player.create({ data: { id, name: 'again' } })],
    ['an update of a missing row', (db) => db.counter.update({ where: { name: 'missing' }, data: { value: 1 } })],
    ['a delete of a missing row', (db) => db.counter.delete({ where: { name: 'missing' } })],
    ['a missing row that has to be there', (db) => db.counter.findUniqueOrThrow({ where: { name: 'missing' } })],
    ['an unknown field', (db) => db.counter.create({ data: { name: 'x', valeu: 1 } as never })],
    ['a value of another type', (db) => db.player.update({ where: { id }, data: { score: '1' as never } })],
    ['a text that is too long', (db) => db.player.update({ where: { id }, data: { name: 'x'.repeat(41) } })],
    ['a sum past the column', (db) => db.player.update({ where: { id }, data: { score: { increment: 2 ** 31 - 1 } } })],
    ['a maximum, which only the cache has', (db) => db.player.update({ where: { id }, data: { score: { max: 5 } as never } })],
    ['an empty select', (db) => db.player.findUnique({ where: { id }, select: {} })],
    ['select beside omit', (db) => db.player.findUnique({ where: { id }, select: { id: true }, omit: { id: true } } as never)],
    ['a select that is null inside', (db) => db.player.update({ where: { id }, data: { score: 3 }, select: { name: null as never } })],
    ['half a key', (db) => db.player.findUnique({ where: {} as never })],
    ['no arguments', (db) => db.player.update(undefined as never)],
    ['a required field that is missing', (db) => db.document.create({ data: { id: 'x', title: 'x' } as never })],
  ]

  beforeAll(() => stage.db.player.create({ data: { id, name: 'there', score: 1 } }).then(() => stage.cache.flush()))

  test.each(calls)('%s: in its own words, and nothing is stored', async (_, call) => {
    const plain = await outcome(call(stage.prisma as unknown as Extended))
    expect(plain).toHaveProperty('name')
    expect(await outcome(call(stage.db))).toEqual(plain)
    expect(await stage.cache.player.pending({ id })).toBeNull()
    expect(await stage.redis.keys(`{${stage.namespace}*/hold*`)).toEqual([])
    expect(await stage.cache.counter.findUnique({ where: { name: 'missing' } })).toBeNull()
  })

  test('is refused by the state that was acknowledged, not by the table as it is', async () => {
    const { db } = stage
    const name = key()
    await db.counter.create({ data: { name } })
    expect(await outcome(db.counter.create({ data: { name } }))).toMatchObject({ code: 'P2002' })
    await db.counter.delete({ where: { name } })
    expect(await outcome(db.counter.delete({ where: { name } }))).toMatchObject({ code: 'P2025' })
    expect(await outcome(db.counter.findUniqueOrThrow({ where: { name } }))).toMatchObject({ code: 'P2025' })
  })

  test('a row that somebody else inserted meanwhile is parked, not overwritten', async () => {
    const { db, prisma, cache } = stage
    const name = key()
    await db.counter.create({ data: { name, value: 1 } })
    await prisma.counter.create({ data: { name, value: 2 } })
    await db.counter.update({ where: { name }, data: { value: { increment: 5 } } })
    await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
    expect((await cache.parked()).map(({ key, reason }) => [key, reason])).toEqual([[name, expect.stringContaining('23505')]])
    expect(await prisma.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
    await expect(db.counter.update({ where: { name }, data: { value: { multiply: 2 } } })).rejects.toMatchObject({ code: 'PARKED' })
    await expect(db.counter.findUnique({ where: { name, value: 6 } })).rejects.toMatchObject({ code: 'PARKED' })
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 6n })

    await prisma.counter.delete({ where: { name } })
    await cache.flush()
    expect(await prisma.counter.findUnique({ where: { name } })).toEqual({ name, value: 6n })
  })
})
