/** How rows travel in the statement: an array a column. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { ArrayLiteral } from '../../src/database/postgresql/array-literal.js'
import { Database } from '../../src/database/postgresql/database.js'
import type { RowChange } from '../../src/database/postgresql/statement.js'
import { NULL } from '../../src/model/codec.js'
import type { Field } from '../../src/model/model.js'
import { createDatabase, type TestDatabase } from '../fixture.js'

const TEXT: Field = { name: 'text', column: 'text', type: 'String', sqlType: 'text', nullable: true, list: false }

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

/** Texts that the syntax of arrays may mistake for something else, among others. */
const texts = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => !text.includes('\0')),
    fc.string({ unit: fc.constantFrom('{', '}', '"', '\\', ',', ' ', '\n', '\v', '\u00a0', 'n', 'U', 'L', 'l', 'é'), maxLength: 5 }),
  ),
)

const WAYS = [
  ['added', (elements: ArrayLiteral, text: string) => elements.add(text)],
  ['copied', (elements: ArrayLiteral, text: string) => elements.copy(Buffer.from(`x${text}y`), 1, 1 + Buffer.byteLength(text))],
] as const

test.each(WAYS)('a text that is %s arrives as it was, whatever arrays mean by its characters', async (_, put) => {
  await fc.assert(
    fc.asyncProperty(texts, async (expected) => {
      const elements = new ArrayLiteral(TEXT)
      for (const text of expected) put(elements, text)
      const sql = 'select text from unnest($1::text[]) with ordinality as e(text, n) order by n'
      expect(await database.query(sql, [elements.toString()])).toEqual(expected.map((text) => ({ text })))
    }),
  )
})

test.each(WAYS)('a list that is %s arrives as it was, and a text that is no list is refused', async (_, put) => {
  const list = (text: string) => {
    const elements = new ArrayLiteral({ ...TEXT, list: true })
    put(elements, text)
    return database.query('select list::text[] from unnest($1::text[]) as e(list)', [elements.toString()])
  }
  await fc.assert(
    fc.asyncProperty(texts, async (expected) => {
      expect(await list(JSON.stringify(expected))).toEqual([{ list: expected }])
    }),
  )
  for (const text of ['', 'a', '5', 'a,b']) await expect(list(text)).rejects.toMatchObject({ code: '22P02' })
})

test.each(WAYS)('nulls, times and more texts than fit at first are %s', async (_, put) => {
  const time = new ArrayLiteral({ ...TEXT, type: 'DateTime', sqlType: 'timestamptz' })
  for (const text of ['2026-11-21T10:00:00.001Z', NULL, '2026-11-21']) put(time, text)
  expect(time.toString()).toBe('{2026-11-21T10:00:00.001,NULL,2026-11-21}')
  const words = new ArrayLiteral(TEXT)
  for (const text of ['null', 'NULL', 'Null', 'nul', 'nulls', 'n', 'note', 'NULL\u00a0']) put(words, text)
  expect(await database.query('select array_position($1::text[], null) as null', [words.toString()])).toEqual([{ null: null }])
  const long = new ArrayLiteral(TEXT)
  const expected = Array.from({ length: 500 }, (_, n) => 'é'.repeat(n))
  for (const text of expected) put(long, text)
  expect(await database.query('select text from unnest($1::text[]) text', [long.toString()])).toEqual(expected.map((text) => ({ text })))
  expect(new ArrayLiteral(TEXT).toString()).toBe('{}')
})

test('a text that a column does not take is refused, and does not move into the rows beside it', async () => {
  const persisted = new Database(database.prisma, models.counter, 30_000)
  const change = { kind: 'upsert', pattern: '=', regular: true } as const
  const changes = ['1', '2,3', '4'].map((value, n) => ({ key: `k${n}`, change: { ...change, insert: [value], values: [value] } }))
  await expect(persisted.persist('shard', { id: '1', previous: null }, persisted.prepare(changes))).rejects.toMatchObject({
    code: 'REFUSED',
  })
  expect(await database.query('select from "Counter"')).toEqual([])
})

test('a record of another key than the model has now is refused by itself', () => {
  const persisted = new Database(database.prisma, models.reading, 30_000)
  const change = { kind: 'delete', pattern: '', regular: true, insert: [], values: [] } as const
  for (const key of ['a', 'a:b:c']) {
    expect(() => persisted.prepare([{ key, change }])).toThrow(
      expect.objectContaining({ code: 'REFUSED', message: `Reading: expected a key of 2 parts, got one of ${key.split(':').length}` }),
    )
  }
})

test('a batch of more shapes of change than a statement can carry is refused, and so halved', async () => {
  const persisted = new Database(database.prisma, models.document, 30_000)
  const insert = models.document.fields.slice(1).map(() => '1')
  const changes: RowChange[] = Array.from({ length: 3000 }, (_, n) => {
    const pattern = n.toString(3).padStart(insert.length, '0').replaceAll('0', '.').replaceAll('1', '=').replaceAll('2', '+')
    return {
      key: `k${n}`,
      change: { kind: 'upsert', regular: false, insert, pattern, values: insert.slice(0, pattern.replaceAll('.', '').length) },
    }
  })
  expect(() => persisted.prepare(changes)).toThrow(
    expect.objectContaining({ code: 'REFUSED', message: 'Document: too many shapes of change for one statement' }),
  )
})

test('a list of an enum is read, whatever its members are called', async () => {
  const members = ['DRAFT', 'a, "b"', '{c}', 'd\\e', ' ']
  await database.query(`create type "Odd" as enum (${members.map((member) => `'${member}'`).join()})`)
  await database.query('alter table "Counter" add column odd "Odd"[]')
  const odd = { name: 'odd', column: 'odd', type: 'Enum', sqlType: '"Odd"', nullable: false, list: true } as const
  const read = new Database(database.prisma, { ...models.counter, fields: [...models.counter.fields, odd] }, 30_000)
  for (const list of [[], ['DRAFT'], members]) {
    await database.query('insert into "Counter" (name, odd) values ($1, $2)', [`of ${list.length}`, list])
    const { rows } = await read.snapshot('shard', [`of ${list.length}`])
    expect(rows[0]?.values?.[1]).toBe(JSON.stringify(list))
  }
})
