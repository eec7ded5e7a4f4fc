/** In a transaction nothing is deferred: what it concerns is flushed before, and no view of it outlives the end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createStage, key } from './stage.js'

let stage: Awaited<ReturnType<typeof createStage>>

beforeAll(async () => {
  stage = await createStage()
})

afterAll(() => stage.close())

/** Names of the holds that are open. */
async function holds(): Promise<string[]> {
  return stage.redis.keys(`{${stage.namespace}*hold*`)
}

describe('a batch', () => {
  test('sees what was acknowledged, and is in the database when it has ended', async () => {
    const { db, prisma } = stage
    const [name, path] = [key(), key()]
    await db.counter.create({ data: { name, value: 1 } })
    const [updated, created, count] = await db.$transaction([
      db.counter.update({ where: { name }, data: { value: { increment: 1 } } }),
      db.pageView.create({ data: { path, views: 1 } }),
      db.counter.count({ where: { name } }),
    ])
    expect([updated.value, created.views, count]).toEqual([2n, 1n, 1])
    expect(await prisma.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
    expect(await db.pageView.findUnique({ where: { path } })).toMatchObject({ views: 1n })
  })

  test('that fails leaves everything as it was, and hangs nobody', async () => {
    const { db } = stage
    const name = key()
    await db.counter.create({ data: { name, value: 1 } })
    const batch = db.$transaction([
      db.counter.update({ where: { name }, data: { value: 9 } }),
      db.counter.update({ where: { name: key() }, data: { value: 9 } }),
    ])
    await expect(batch).rejects.toMatchObject({ code: 'P2025' })
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 1n })
    expect(await db.counter.update({ where: { name }, data: { value: { increment: 1 } } })).toEqual({ name, value: 2n })
  })

  test('a call that is not awaited is not made', async () => {
    const { db } = stage
    const name = key()
    const lazy = db.counter.create({ data: { name } })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await db.counter.findUnique({ where: { name } })).toBeNull()
    await lazy
    expect(await db.counter.findUnique({ where: { name } })).not.toBeNull()
  })
})

describe('an interactive transaction', () => {
  test('reads and writes the database, and its end drops the views', async () => {
    const { db, cache } = stage
    const name = key()
    await db.counter.create({ data: { name, value: 1 } })
    const inside = await db.$transaction(async (tx) => {
      const { value } = await tx.counter.findUniqueOrThrow({ where: { name } })
      await tx.counter.update({ where: { name }, data: { value: value + 1n } })
      expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 1n })
      expect(await cache.counter.isPersisted({ name })).toBe(true)
      return tx.counter.update({ where: { name }, data: { value: { multiply: 10 } } })
    })
    expect(inside).toEqual({ name, value: 20n })
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 20n })
  })

  test('that is rolled back changes nothing, and what others wrote meanwhile stays', async () => {
    const { db, prisma, cache } = stage
    const [name, other] = [key(), key()]
    await db.counter.create({ data: { name, value: 1 } })
    await db.counter.findUnique({ where: { name: other } })
    const transaction = db.$transaction(async (tx) => {
      await tx.counter.update({ where: { name }, data: { value: 50 } })
      await tx.counter.create({ data: { name: other } })
      await cache.counter.increment({ name }, { value: 1 })
      throw new Error('no')
    })
    await expect(transaction).rejects.toThrow('no')
    expect(await holds()).toEqual([])
    expect(await db.counter.findUnique({ where: { name: other } })).toBeNull()
    await cache.flush()
    expect(await prisma.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
  })

  test('goes on where others write to what it has changed: their writes come after it', async () => {
    const { db, prisma, cache } = stage
    const name = key()
    await db.counter.create({ data: { name, value: 1 } })
    await db.$transaction(async (tx) => {
      await tx.counter.update({ where: { name }, data: { value: 10 } })
      await cache.counter.increment({ name }, { value: 1 })
      await tx.counter.update({ where: { name }, data: { value: { multiply: 2 } } })
    })
    await cache.flush()
    expect(await prisma.counter.findUnique({ where: { name } })).toEqual({ name, value: 21n })
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 21n })
  })

  test('that has locked what has to be flushed is told so, and how to go on', async () => {
    const { db, cache } = stage
    const [name, table] = [key(), 'Counter']
    await db.counter.create({ data: { name, value: 1 } })
    await cache.flush({ model: 'counter', key: { name } })
    await cache.counter.increment({ name }, { value: 1 })
    const transaction = db.$transaction(async (tx) => {
      // Raw SQL that does not show the name of the table.
      await tx.$executeRawUnsafe(`do $$ begin execute 'update "Cou' || 'nter" set value = 5 where name = ''${name}''' ; end $$`)
      await tx.counter.update({ where: { name }, data: { value: 9 } })
    })
    await expect(transaction).rejects.toMatchObject({ code: 'TRANSACTION_BLOCKED', model: table })
    await cache.flush()
    expect(await db.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
  })

  test('in further extensions, and one within another', async () => {
    const { db } = stage
    const name = key()
    const seen: string[] = []
    const further = db.$extends({
      query: {
        counter: {
          update({ args, query }) {
            seen.push('update')
            return query(args)
          },
        },
      },
    })
    await further.counter.create({ data: { name, value: 1 } })
    await further.$transaction(async (tx) => {
      await tx.counter.update({ where: { name }, data: { value: 2 } })
      await further.$transaction([further.pageView.create({ data: { path: name } })])
    })
    expect(seen).toEqual(['update'])
    expect(await further.counter.findUnique({ where: { name } })).toEqual({ name, value: 2n })
    expect(await further.pageView.findUnique({ where: { path: name } })).toMatchObject({ views: 0n })
  })
})
