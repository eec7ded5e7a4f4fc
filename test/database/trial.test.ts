/** What a trial finds out of a batch's rows, one by one, without changing any. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Database } from '../../src/database/postgresql/database.js'
import type { RowChange } from '../../src/database/postgresql/statement.js'
import { NULL } from '../../src/model/codec.js'
import { createDatabase, type TestDatabase } from '../fixture.js'

let database: TestDatabase
let documents: Database

beforeAll(async () => {
  database = await createDatabase()
  documents = new Database(database.prisma, models.document, 20_000)
  await database.query('alter table "Document" add constraint parent foreign key (note) references "Document" (id)')
  await database.query('alter table "Document" add constraint small check (rank < 100)')
  await database.query('create unique index one_rank on "Document" (rank)')
  await database.query(`create function refuse() returns trigger language plpgsql as $$ begin
    if new.title = 'SECRET' then raise exception sqlstate '23514' using message = new.title, constraint = new.title, column = new.title; end if;
    if new.title = 'assert' then assert false, new.title; end if;
    if new.title = 'slow' then perform pg_sleep(600); end if;
    if new.title = 'end' then raise exception sqlstate 'WBEND'; end if;
    return new; end $$`)
  await database.query('create trigger refuse before insert on "Document" for each row execute function refuse()')
})

afterAll(() => database.drop())

/** A row that is inserted or replaced. */
function row(key: string, { title = 't', state = 'DRAFT', price = '0', note = NULL, rank = NULL, blob = NULL } = {}): RowChange {
  const insert = [title, '{}', NULL, '[]', state, price, blob, note, rank, 'false', '2026-01-01T00:00:00.000Z']
  return { key, change: { kind: 'replace', insert, pattern: '', values: [], regular: true } }
}

function update(key: string, rank: string): RowChange {
  return { key, change: { kind: 'update', insert: [], pattern: '........=..', values: [rank], regular: true } }
}

async function findings(...changes: RowChange[]): Promise<[string, string][]> {
  const found = await documents.trial(changes)
  return [...(found ?? [])].map(([position, { message }]) => [changes[position]?.key as string, message.replace(/^.*\(|\)$/g, '')])
}

test('it names the refused rows of every shape, with SQLSTATE and constraint, and changes nothing', async () => {
  await database.query(`insert into "Document" (id, title, body, rank) values ('there', 't', '{}', 1)`)
  const changes = [
    row('a good'),
    row('check', { rank: '100' }),
    row('enum', { state: 'NONE' }),
    row('number', { rank: 'x' }),
    row('overflow', { price: '99999999999' }),
    row('parent', { note: 'nobody' }),
    update('there', '1000'),
    row('twice', { rank: '1' }),
  ]
  expect(await findings(...changes)).toEqual([
    ['check', '23514, constraint small'],
    ['enum', '22P02'],
    ['number', '22P02'],
    ['overflow', '22003'],
    ['parent', '23503, constraint parent'],
    ['twice', '23505, constraint one_rank'],
    ['there', '23514, constraint small'],
  ])
  expect(await database.query('select id, rank from "Document"')).toEqual([{ id: 'there', rank: 1 }])
})

test('a row that needs another one of the batch is not refused, in whatever order they come', async () => {
  expect(await findings(row('1', { note: '2' }), row('2', { note: '3' }), row('3'), row('4', { note: '5' }))).toEqual([
    ['4', '23503, constraint parent'],
  ])
})

test('what a trigger says is not repeated, and none can end the trial', async () => {
  expect(await findings(row('1', { title: 'SECRET' }), row('2', { title: 'assert' }), row('3', { title: 'end' }), row('4'))).toEqual([
    ['1', '23514'],
    ['2', 'P0004'],
    ['3', 'WBEND'],
  ])
})

test('texts arrive as they are', async () => {
  const texts = ['a,b', '{"}', "it's", '\\x', '$write_behind$', 'null', ' ', '']
  expect(await findings(...texts.map((title, n) => row(`${n}`, { title })))).toEqual([])
})

test('without a transaction, or in time, there is none', async () => {
  const { prisma } = database
  const bare = { $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) => prisma.$queryRawUnsafe<T>(sql, ...values) }
  expect(await new Database(bare, models.document, 20_000).trial([row('1')])).toBeUndefined()
  const eager = {
    $queryRawUnsafe: async <T>(sql: string, ...values: unknown[]) => prisma.$queryRawUnsafe<T>(sql, ...values),
    $transaction: prisma.$transaction.bind(prisma) as never,
  }
  expect(await new Database(eager, models.document, 20_000).trial([row('1')])).toBeUndefined()
  expect(await new Database(prisma, models.document, 500).trial([row('1', { title: 'slow' })])).toBeUndefined()
})
