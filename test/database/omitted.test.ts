/** Columns that the generator was told to leave out, and columns of citext. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Prisma } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Model } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const { redis, namespace, empty, clean } = createRedis()
/** As the generator gives it with `omit = ["Document.note", "Document.flag"]`. */
const document: Model = {
  ...models.document,
  fields: models.document.fields.filter(({ name }) => name !== 'note' && name !== 'flag'),
  omitted: ['note', 'flag'],
}
const where = { id: 'a' }
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterEach(async () => {
  await empty()
  await database.query('truncate "Document", write_behind_ledger')
})

afterAll(async () => {
  await clean()
  await database.drop()
})

async function connect() {
  return createWriteBehind({ prisma: database.prisma, redis, namespace, models: { ...models, document }, policies: { document: still } })
}

test('an inserted row has what the database gives such columns, and a changed one keeps them', async () => {
  const cache = await connect()
  await cache.document.upsert({ where, create: { title: 't', body: {} }, update: {} } as never)
  await cache.flush()
  expect(await database.prisma.document.findUnique({ where })).toMatchObject({ title: 't', note: null, flag: false })
  await database.prisma.document.update({ where, data: { note: 'n', flag: true } })
  await cache.document.update({ where, data: { title: 'u' } } as never)
  expect(Object.keys((await cache.document.findUnique({ where } as never)) ?? {})).not.toContain('note')
  await cache.close()
  expect(await database.prisma.document.findUnique({ where })).toMatchObject({ title: 'u', note: 'n', flag: true })
})

test('the extension gives rows with them, as Prisma does', async () => {
  const cache = await connect()
  const db = database.prisma.$extends(cache.extension())
  const created = await db.document.create({ data: { id: 'a', title: 't', body: {}, note: 'n' } })
  expect(created).toMatchObject({ note: 'n', flag: false })
  const calls: Prisma.DocumentFindUniqueArgs[] = [
    { where },
    { where, select: { id: true, note: true } },
    { where, omit: { note: true } },
    { where, select: { title: true } },
  ]
  for (const args of calls) expect(await db.document.findUnique(args)).toEqual(await database.prisma.document.findUnique(args))
  expect(await db.document.update({ where, data: { note: 'o', title: 'u' } })).toMatchObject({ note: 'o', title: 'u' })
  expect(await db.document.update({ where, data: { title: 'v' }, omit: { note: true, flag: true } })).toMatchObject({ title: 'v' })
  await cache.flush()
  expect(await database.prisma.document.findUnique({ where })).toMatchObject({ title: 'v', note: 'o' })
  await cache.close()
})

test('a column of citext keeps what was written, and is compared by PostgreSQL', async () => {
  await database.query('create extension citext')
  await database.query('alter table "Document" alter column note type citext, add constraint one_note unique (note)')
  const cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies: { document: still } })
  const write = (id: string, note: string) =>
    cache.document.upsert({ where: { id }, create: { title: 't', body: {}, note }, update: { note } })
  await write('a', 'Straße')
  await write('b', 'ABC')
  await cache.flush()
  await write('a', 'STRASSE x')
  await cache.flush()
  await cache.document.invalidate({ id: 'a' })
  expect((await cache.document.findUnique({ where: { id: 'a' } }))?.note).toBe('STRASSE x')
  expect(await database.query(`select id from "Document" where note = 'abc'`)).toEqual([{ id: 'b' }])
  await write('c', 'aBc')
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: ['c'] })
  await cache.close()
})
