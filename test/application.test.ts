/**
 * An application that was there before passes its own tests, whatever its client is made of: only the construction differs
 * (test/application/client.ts and extended-client.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { models } from '../generated/application/write-behind.js'
import type { Policies, Policy } from '../src/index.js'
import { createApp } from './application/app.js'
import { type Client, connect } from './application/client.js'
import { connect as connectExtended } from './application/extended-client.js'
import { testApplication } from './application/suite/suite.js'
import { createMigratedDatabase, createRedis, type MigratedDatabase } from './fixture.js'

type Strategy = NonNullable<Policy['strategy']>

const MIGRATIONS = new URL('application/prisma/migrations/', import.meta.url)

/** Flushed while the tests run, and before what they ask of many records. */
const soon = { debounce: 20, maxWait: 100, shards: 2, queries: 'flush' } as const

/** An address must be its user's own, which only the database can say: users are no data for write-behind. */
const POLICIES: Readonly<Record<Strategy, Policies<typeof models>>> = {
  'write-behind': { user: { ...soon, strategy: 'write-around' }, post: soon, like: soon, postStat: soon },
  'write-through': everything('write-through'),
  'write-around': everything('write-around'),
}

function everything(strategy: Strategy) {
  const policy = { ...soon, strategy }
  return { user: policy, post: policy, like: policy, postStat: policy }
}

describe('with plain Prisma', () => {
  testApplication(async () => {
    const database = await createMigratedDatabase(MIGRATIONS)
    const { db, close } = await connect(database.url)
    return {
      app: createApp(db),
      close: async () => {
        await close()
        await database.drop()
      },
    }
  })
})

describe.each(Object.entries(POLICIES))('with the extension, %s', (_, policies) => {
  const { redis, namespace, clean } = createRedis()
  let database: MigratedDatabase
  let connection: Awaited<ReturnType<typeof connectExtended>>

  beforeAll(async () => {
    database = await createMigratedDatabase(MIGRATIONS)
    connection = await connectExtended(database.url, { redis, namespace, policies })
  })

  afterAll(async () => {
    await connection.close()
    await clean()
    await database.drop()
  })

  // The application as it is takes the type of its own client: test/extension/types.test.ts compiles it with this one.
  testApplication(async () => ({ app: createApp(connection.db as unknown as Client), close: async () => {} }))

  test('nothing is left parked, and no view is other than its row', async () => {
    const { cache, prisma, db } = connection
    await cache.flush()
    expect(await cache.parked()).toEqual([])
    for (const row of await prisma.user.findMany()) expect(await db.user.findUnique({ where: { id: row.id } })).toEqual(row)
    for (const row of await prisma.post.findMany()) expect(await db.post.findUnique({ where: { id: row.id } })).toEqual(row)
    for (const row of await prisma.postStat.findMany()) {
      expect(await db.postStat.findUnique({ where: { postId: row.postId } })).toEqual(row)
    }
    for (const row of await prisma.like.findMany()) {
      const { userId, postId } = row
      expect(await db.like.findUnique({ where: { userId_postId: { userId, postId } } })).toEqual(row)
    }
  })
})
