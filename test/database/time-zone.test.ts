/** A `timestamptz` holds what Prisma would have written, and is read as Prisma reads it, whatever the time zone of the session. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Model } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

/** Before, in and after the time when clocks are an hour ahead. */
const MOMENTS = ['2026-01-01T00:30:00.000Z', '2026-07-01T22:30:00.125Z', '2026-12-31T23:59:59.999Z'].map((text) => new Date(text))

const fields = models.pageView.fields.map((field) => (field.type === 'DateTime' ? { ...field, sqlType: 'timestamptz' as const } : field))
const pageView = { ...models.pageView, fields }
/** Known by a time, and with a list of them. */
const visit = {
  ...pageView,
  name: 'Visit',
  key: ['lastSeen'],
  fields: [
    ...fields,
    {
      name: 'others',
      column: 'others',
      type: 'DateTime',
      sqlType: 'timestamptz',
      nullable: false,
      list: true,
      default: { kind: 'value', value: '[]' },
    },
  ] as const,
} as const satisfies Model
const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const { redis, namespace, clean } = createRedis()
let number = 0
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  await database.query(`alter table page_views alter last_seen type timestamptz, alter updated_at type timestamptz,
    add unique (last_seen), add others timestamptz[] not null default '{}'`)
})

afterAll(async () => {
  await clean()
  await database.drop()
})

/** The adapter as it is, and as open pull requests of Prisma make it: it writes times with their offset, and reads them with it. */
async function mendedAdapter(): Promise<typeof PrismaPg> {
  const source = readFileSync(
    createRequire(import.meta.url)
      .resolve('@prisma/adapter-pg')
      .replace(/index\.\w+$/, 'index.mjs'),
    'utf8',
  )
  const read = [
    `return time.replace(" ", "T").replace(/[+-]\\d{2}(:\\d{2})?$/, "+00:00");`,
    'return time.replace(" ", "T") + ":00";',
  ] as const
  const write = [
    `+ (ms ? "." + String(ms).padStart(3, "0") : "");\n}\nfunction formatDate(`,
    `+ (ms ? "." + String(ms).padStart(3, "0") : "") + "+00:00";\n}\nfunction formatDate(`,
  ] as const
  for (const [found] of [read, write]) expect(source.split(found)).toHaveLength(2)
  const path = new URL('../../generated/mended-adapter.mjs', import.meta.url)
  writeFileSync(path, source.replace(...read).replace(...write))
  return (await import(path.href)).PrismaPg
}

describe.each([
  ['that is installed', async () => PrismaPg],
  ['that keeps offsets', mendedAdapter],
] as const)('with the adapter %s', (_, adapterOf) => {
  let prisma: PrismaClient

  beforeAll(async () => {
    const address = new URL(database.url)
    address.searchParams.set('options', '-c TimeZone=Europe/Berlin')
    const Adapter = await adapterOf()
    prisma = new PrismaClient({ adapter: new Adapter({ connectionString: address.toString() }) })
    await database.query('delete from page_views')
  })

  afterAll(() => prisma.$disconnect())

  function connect(strategy: 'write-behind' | 'write-through' = 'write-behind') {
    const policy = { ...still, strategy }
    return createWriteBehind({
      prisma,
      redis,
      namespace: `${namespace}-${number++}`,
      models: { pageView, visit },
      policies: { pageView: policy, visit: policy },
    })
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

  test('a direct write holds what Prisma would have written', async () => {
    const cache = await connect('write-through')
    for (const [n, lastSeen] of MOMENTS.entries()) {
      const at = new Date(lastSeen.getTime() + 5)
      await cache.pageView.set({ path: `direct ${n}` }, { lastSeen: at, updatedAt: at })
      expect(await prisma.pageView.findFirst({ where: { lastSeen: at } })).toMatchObject({ path: `direct ${n}`, updatedAt: at })
    }
    await cache.close()
  })
})
