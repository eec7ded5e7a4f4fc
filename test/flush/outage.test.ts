/** What lasts as long as a timeout. For one record, it is parked. For all records it is an outage, which parks nothing. */
import { PrismaPg } from '@prisma/adapter-pg'
import { expect, test } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { ParkedError, PersistError } from '../../src/index.js'
import { goodNames, Misbehaviour, write } from './misbehaviour.js'

const misbehaviour = new Misbehaviour()
const { connect, rows, whileLocked } = misbehaviour

test('a record whose row somebody keeps locked for ever is parked, and its neighbours arrive', async () => {
  await misbehaviour.database.query(`insert into "Counter" values ('locked', 0)`)
  const cache = await connect(misbehaviour.prisma, 1000)
  await whileLocked(`select * from "Counter" where name = 'locked' for update`, async () => {
    await write(cache, ...goodNames, 'locked')
    await expect(cache.flush({ timeout: 90_000 })).rejects.toThrow(ParkedError)
    expect(await rows()).toEqual([...goodNames, 'locked'])
    expect(await cache.parked()).toMatchObject([{ key: 'locked', reason: expect.stringContaining('statementTimeout') }])
  })
  expect(await cache.flush()).toEqual({ records: 1 })
  await cache.close()
})

test('a record that alone takes longer than statement_timeout is parked', async () => {
  const options = '-c statement_timeout=400'
  const impatient = new PrismaClient({ adapter: new PrismaPg({ connectionString: misbehaviour.database.url, options }) })
  await misbehaviour.begin('select pg_sleep(60)')
  const cache = await connect(impatient)
  await write(cache, ...goodNames, 'bad')
  await expect(cache.flush({ timeout: 120_000 })).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(goodNames)
  expect(await cache.parked()).toMatchObject([{ key: 'bad', reason: expect.stringContaining('statement_timeout') }])
  await cache.close()
  await impatient.$disconnect()
})

test.each([
  ['the table is missing', 'alter table "Counter" rename to elsewhere', 'alter table elsewhere rename to "Counter"', 'SCHEMA_MISMATCH'],
  ['a column is missing', 'alter table "Counter" rename value to other', 'alter table "Counter" rename other to value', 'SCHEMA_MISMATCH'],
  [
    'a trigger misses a table',
    `create function audit() returns trigger language plpgsql as $$ begin insert into missing values (1); return new; end $$;
    create trigger audit before insert on "Counter" for each row execute function audit()`,
    'drop trigger audit on "Counter"; drop function audit',
    'SCHEMA_MISMATCH',
  ],
  [
    'the ledger takes nothing',
    'alter table write_behind_ledger add constraint closed check (false) not valid',
    'alter table write_behind_ledger drop constraint closed',
    'REFUSED',
  ],
])('when %s, nothing is parked and nothing is lost', async (_, spoil, mend, code) => {
  const cache = await connect()
  await write(cache, ...goodNames)
  await misbehaviour.database.query(spoil)
  for (let n = 0; n < 5; n++) {
    const error = await cache.flush({ timeout: 1000 }).catch((each: unknown) => each)
    expect(error).toBeInstanceOf(PersistError)
    if (code === 'SCHEMA_MISMATCH') expect(error).toMatchObject({ code })
  }
  expect(await cache.parked()).toEqual([])
  await misbehaviour.database.query(mend)
  expect(await cache.flush()).toEqual({ records: goodNames.length })
  await cache.close()
})

test('when somebody keeps the table locked, nothing is parked, and all records arrive afterwards', async () => {
  const adapter = new PrismaPg({ connectionString: misbehaviour.database.url, options: '-c statement_timeout=200' })
  const impatient = new PrismaClient({ adapter })
  const cache = await connect(impatient)
  await whileLocked('lock table "Counter"', async () => {
    await write(cache, 'one', 'two')
    for (let n = 0; n < 6; n++) await expect(cache.flush({ timeout: 1000 })).rejects.toThrow()
    expect(await cache.parked()).toEqual([])
  })
  // A statement that was under way when a flush ran out of time may have written some.
  await cache.flush()
  expect(await rows()).toEqual(['one', 'two'])
  await cache.close()
  await impatient.$disconnect()
})
