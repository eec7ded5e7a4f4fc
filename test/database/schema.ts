/** For each test a database that it changes before a start. Importing it registers hooks in the test file. */
import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterEach, beforeEach } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Models } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

export const policies = { counter: {}, pageView: {}, reading: {}, player: {}, document: {} } as const
export let connection: ReturnType<typeof createRedis>
export let database: TestDatabase
export let closing: (() => Promise<unknown>)[]

beforeEach(async () => {
  connection = createRedis()
  database = await createDatabase()
  closing = []
})

afterEach(async () => {
  for (const close of closing.reverse()) await close()
  await connection.clean()
  await database.drop()
})

export async function start(prisma: PrismaClient = database.prisma, used: Models = models) {
  const { redis, namespace } = connection
  const cache = await createWriteBehind({ prisma, redis, namespace, models: used as typeof models, policies })
  closing.push(() => cache.close())
  return cache
}

/** As a role of its own, with these rights. */
export async function startAs(...rights: string[]) {
  return start(await clientOf(rights))
}

export async function clientOf(rights: readonly string[], password = 'secret', setting = 'application_name = test'): Promise<PrismaClient> {
  const role = `role_${randomUUID().replaceAll('-', '')}`
  await database.query(`create role ${role} login password 'secret'; alter role ${role} set ${setting}`)
  for (const right of rights) await database.query(`grant ${right} to ${role}`)
  const address = new URL(database.url)
  address.username = role
  address.password = password
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: address.toString() }) })
  closing.push(async () => {
    await prisma.$disconnect()
    await database.query(`drop owned by ${role}`)
    await database.query(`drop role ${role}`)
  })
  return prisma
}

export const RIGHTS = ['select, insert, update, delete on all tables in schema public', 'usage on schema public']
