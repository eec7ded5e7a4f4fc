/** The rights of the role in PostgreSQL: those that lack are named at the start. */
import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { describe, expect, test } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { closing, connection, database, policies, RIGHTS, startAs } from './schema.js'

describe('a role', () => {
  test('with the documented rights writes, flushes and reads', async () => {
    const cache = await startAs(...RIGHTS)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    await cache.counter.delete({ where: { name: 'a' } })
    await cache.flush()
    expect(await database.query('select * from "Counter"')).toEqual([])
  })

  test('with rights on the columns alone is taken', async () => {
    await database.query('alter table "Counter" add more text')
    const others = ['"Document"', '"Reading"', 'players', 'page_views', 'write_behind_ledger'].join(', ')
    const columns = 'select (name, value), insert (name, value), update (value), delete on "Counter"'
    await startAs(`select, insert, update, delete on ${others}`, columns)
  })

  test.each([
    ['SELECT', 'insert, update, delete'],
    ['INSERT', 'select, update, delete'],
    ['UPDATE', 'select, insert, delete'],
    ['DELETE', 'select, insert, update'],
    ['UPDATE ("value")', 'select, insert, delete, update (name)'],
  ])('that lacks %s is told the GRANT', async (right, rest) => {
    const others = 'select, insert, update, delete on "Document", "Reading", players, page_views, write_behind_ledger'
    const lacking = right === 'UPDATE ("value")' ? 'UPDATE' : right
    await expect(startAs(others, `${rest} on "Counter"`)).rejects.toThrow(
      `lacks the right to "Counter"; run GRANT ${lacking} ON "Counter" TO "role_`,
    )
  })

  test('that may not write one column of several is told which', async () => {
    const others = 'select, insert, update, delete on "Counter", "Document", "Reading", page_views, write_behind_ledger'
    const players = 'select, delete, insert (player_id, display_name, score), update (score) on players'
    await expect(startAs(others, players)).rejects.toThrow('run GRANT UPDATE ("display_name") ON "players"')
  })

  test('that may not write the ledger, or use the schema, is told so', async () => {
    const tables = 'select, insert, update, delete on "Counter", "Document", "Reading", players, page_views'
    await expect(startAs(tables, 'select on write_behind_ledger')).rejects.toThrow('GRANT INSERT, UPDATE ON "write_behind_ledger"')
    await database.query('create schema hidden; alter table "Counter" set schema hidden')
    const used = { ...models, counter: { ...models.counter, table: '"hidden"."Counter"' } }
    const { redis, namespace } = connection
    const role = `role_${randomUUID().replaceAll('-', '')}`
    await database.query(`create role ${role} login password 'secret'; grant ${RIGHTS[0]} to ${role}`)
    const address = new URL(database.url)
    address.username = role
    address.password = 'secret'
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: address.toString() }) })
    closing.push(() => database.query(`drop owned by ${role}; drop role ${role}`))
    await expect(createWriteBehind({ prisma, redis, namespace, models: used, policies })).rejects.toThrow('GRANT USAGE ON SCHEMA "hidden"')
    await prisma.$disconnect()
  })

  test('for which row-level security has no policy is told the commands', async () => {
    await database.query('alter table "Counter" enable row level security; create policy p on "Counter" for select using (true)')
    await expect(startAs(...RIGHTS)).rejects.toThrow('no policy that lets the role "role_')
    await database.query('create policy q on "Counter" using (true) with check (true)')
    const cache = await startAs(...RIGHTS)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
  })
})
