/** A start that the database refuses, or does not answer. */
import { PrismaPg } from '@prisma/adapter-pg'
import { describe, expect, test, vi } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { ConfigurationError } from '../../src/index.js'
import { clientOf, closing, database, RIGHTS, start, useSchema } from '../database/postgresql/schema.js'

useSchema()

describe('a start that the database refuses says why:', () => {
  const nameOf = (url: string) => new URL(url).pathname.slice(1)
  const refusal = async (client: PrismaClient) => {
    const error = await start(client).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ConfigurationError)
    return (error as Error).message
  }

  test('a role without the right to connect', async () => {
    await database.query(`revoke connect on database ${nameOf(database.url)} from public`)
    const message = await refusal(await clientOf(RIGHTS))
    expect(message).toMatch(/^the database refuses the connection: .*GRANT CONNECT ON DATABASE.* \(42501\)$/)
    expect(message).not.toContain('table')
  })

  test('a database that is not there', async () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: `${database.url}_gone` }) })
    closing.push(() => prisma.$disconnect())
    expect(await refusal(prisma)).toMatch(/^the database refuses the connection: there is no database with the name .* \(3D000\)$/)
  })

  test('a catalog that the role may not read', async () => {
    await database.query('revoke select on pg_catalog.pg_class from public')
    expect(await refusal(await clientOf(RIGHTS))).toMatch(/^the role may not read the catalog \(pg_catalog\), .* \(42501\)$/)
  })

  test.each<[string, string, RegExp]>([
    [
      'a column more that needs a value',
      'alter table write_behind_ledger add extra text not null',
      /a NOT NULL column gets no value, .* \(23502\)$/,
    ],
    ['a constraint', `alter table write_behind_ledger add constraint short check (shard = '')`, /a constraint, .* \(23514\)$/],
    [
      'a trigger that fails',
      `create function fail() returns trigger language plpgsql as $$ begin raise 'SECRET' using errcode = '42501'; end $$;
       create trigger t before insert on write_behind_ledger for each row execute function fail()`,
      /the role lacks a right .* \(42501\)$/,
    ],
  ])('a ledger with %s', async (_, sql, cause) => {
    await database.query(sql)
    const message = await refusal(database.prisma)
    expect(message).toMatch(/^The ledger: "write_behind_ledger" refuses the row that says /)
    expect(message).toMatch(cause)
    expect(message).not.toMatch(/record|lacks a table|SECRET/)
  })
})

describe('a start that the database does not answer warns and says why:', () => {
  const nowhere = () => new PrismaClient({ adapter: new PrismaPg({ connectionString: 'postgresql://secret:secret@127.0.0.1:1/secret' }) })

  test.each<[string, () => PrismaClient | Promise<PrismaClient>, RegExp]>([
    ['a wrong password', () => clientOf(RIGHTS, 'mistaken'), /\(28P01\): .*password$/],
    ['a role that may only read', () => clientOf(RIGHTS, 'secret', 'default_transaction_read_only = on'), /\(25006\): .*only be read/],
    ['nobody who listens', nowhere, /the database could not be reached.* \(DatabaseNotReachable\)$/],
  ])('%s', async (_, client, reason) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    closing.push(async () => warn.mockRestore())
    await start(await client())
    const warnings = warn.mock.calls.map(([message]) => String(message)).filter((each) => each.includes('could not be asked'))
    expect(warnings).toEqual([expect.stringMatching(reason)])
    expect(warnings.join()).not.toMatch(/secret|mistaken/)
  })
})

/** A client of a database that is away until `comeBack` is called. */
function awayAtFirst() {
  let isAway = true
  const client = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) =>
      isAway ? Promise.reject(new Error('connect ECONNREFUSED')) : database.prisma.$queryRawUnsafe<T>(sql, ...values),
  }
  const comeBack = () => {
    isAway = false
  }
  return { prisma: client as PrismaClient, comeBack }
}

test('a database that fits later is written later', async () => {
  await database.query('alter table "Counter" rename to elsewhere')
  const { prisma, comeBack } = awayAtFirst()
  const cache = await start(prisma)
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  comeBack()
  await expect(cache.flush()).rejects.toThrow('there is no table "Counter"')
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  await database.query('alter table elsewhere rename to "Counter"')
  await cache.flush()
  expect(await database.query('select value from "Counter"')).toEqual([{ value: '2' }])
})

test('a read of a database that comes back is refused, not answered, if it is another database', async () => {
  await start()
  await database.query(`update write_behind_ledger set batch = 'somebody else'`)
  const { prisma, comeBack } = awayAtFirst()
  const cache = await start(prisma)
  comeBack()
  await expect(cache.counter.findUnique({ where: { name: 'a' } })).rejects.toThrow(ConfigurationError)
})
