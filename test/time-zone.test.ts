/** A `timestamptz` holds what Prisma would have written, and is read as Prisma reads it, whatever the time zone of the session. */
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PrismaClient } from '../generated/client/client.js'
import { models } from '../generated/write-behind.js'
import { createWriteBehind, type Model } from '../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

/** Before, in and after the time when clocks are an hour ahead. */
const MOMENTS = ['2026-01-01T00:30:00.000Z', '2026-07-01T22:30:00.125Z', '2026-12-31T23:59:59.999Z'].map((text) => new Date(text))

const fields = models.pageView.fields.map((field) => (field.type === 'DateTime' ? { ...field, sqlType: 'timestamptz' as const } : field))
const pageView = { ...models.pageView, fields }
/** Known by a time, and with a list of them. */
const visit = {
  ...pageView,
  name: 'Visit',
  key: ['lastSeen'],
  fields: [...fields, { name: 'others', column: 'others', type: 'DateTime', sqlType: 'timestamptz', nullable: false, list: true }] as const,
} as const satisfies Model
const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const { redis, namespace, clean } = createRedis()
let database: TestDatabase
let prisma: PrismaClient

beforeAll(async () => {
  database = await createDatabase()
  await database.query(`alter table page_views alter last_seen type timestamptz, alter updated_at type timestamptz,
    add unique (last_seen), add others timestamptz[] not null default '{}'`)
  const address = new URL(database.url)
  address.searchParams.set('options', '-c TimeZone=Europe/Berlin')
  prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: address.toString() }) })
})

afterAll(async () => {
  await prisma.$disconnect()
  await clean()
  await database.drop()
})

function connect() {
  return createWriteBehind({ prisma, redis, namespace, models: { pageView, visit }, policies: { pageView: still, visit: still } })
}

test('what the cache writes, Prisma reads, and the other way round', async () => {
  const cache = await connect()
  for (const [n, lastSeen] of MOMENTS.entries()) {
    const where = { path: `/${n}` }
    await cache.pageView.set(where, { lastSeen, updatedAt: lastSeen })
    await cache.flush()
    const expected = { ...where, views: 0n, bytes: 0n, lastStatus: null, lastSeen, updatedAt: lastSeen }
    expect(await prisma.pageView.findUnique({ where })).toEqual(expected)
    await cache.pageView.invalidate(where)
    expect(await cache.pageView.findUnique({ where })).toEqual(expected)

    const later = new Date(lastSeen.getTime() + 1)
    await prisma.pageView.update({ where, data: { lastSeen: later, updatedAt: later } })
    await cache.pageView.invalidate(where)
    expect(await cache.pageView.findUnique({ where })).toMatchObject({ lastSeen: later, updatedAt: later })

    await cache.pageView.max(where, { lastSeen })
    await cache.flush()
    expect(await prisma.pageView.findUnique({ where })).toMatchObject({ lastSeen: later })
  }
  await cache.close()
})

test('a record that a time names is the row that Prisma finds by it', async () => {
  const cache = await connect()
  for (const [n, lastSeen] of MOMENTS.entries()) {
    const at = new Date(lastSeen.getTime() + 2)
    await prisma.pageView.create({ data: { path: `by Prisma ${n}`, lastSeen: at } })
    await cache.visit.update({ where: { lastSeen: at }, data: { views: { increment: 1 }, others: MOMENTS } })
    await cache.flush()
    expect(await prisma.pageView.findFirst({ where: { lastSeen: at } })).toMatchObject({ path: `by Prisma ${n}`, views: 1n })
    expect(await prisma.$queryRaw`select others from page_views where last_seen = ${at}`).toEqual([{ others: MOMENTS }])
    await cache.visit.invalidate({ lastSeen: at })
    expect(await cache.visit.findUnique({ where: { lastSeen: at } })).toMatchObject({ views: 1n, lastSeen: at, others: MOMENTS })
  }
  await cache.close()
})
