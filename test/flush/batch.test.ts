/** What goes into one batch. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type Policy } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const HOUR = 3_600_000
const MIB = 1024 * 1024

let database: TestDatabase
let connection: ReturnType<typeof createRedis>

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(() => database.drop())

beforeEach(() => {
  connection = createRedis()
})

afterEach(async () => {
  await connection.clean()
  await database.query('truncate "Document"')
})

/** Writes documents with these notes, and flushes them. Resolves to the number of records in each batch. */
async function flush(notes: readonly string[], policy: Policy = {}): Promise<number[]> {
  const policies = { document: { shards: 1, debounce: HOUR, maxWait: HOUR, ...policy } }
  const { redis, namespace } = connection
  const cache = await createWriteBehind({ redis, namespace, prisma: database.prisma, models, policies })
  const batches: number[] = []
  cache.events.on('flushed', ({ records }) => batches.push(records))
  for (const [n, note] of notes.entries()) {
    const values = { title: 'a', body: {}, note }
    await cache.document.upsert({ where: { id: `d${n}` }, create: values, update: values })
  }
  await cache.flush()
  // A close would flush what the flush has left.
  await cache.close({ drain: 'none' })
  const rows = await database.query<{ note: string }>('select note from "Document" order by length(id), id')
  expect(rows.map(({ note }) => note.length)).toEqual(notes.map(({ length }) => length))
  expect(rows.map(({ note }) => note)).toEqual(notes)
  return batches
}

describe('a batch', () => {
  test('has at most batchSize records', async () => {
    const batches = await flush(Array(5).fill('a'), { batchSize: 2 })
    expect(Math.max(...batches)).toBe(2)
  })

  test('has at most 4 MiB of values, and a record that has more comes alone', async () => {
    const notes = [1, 1, 5, 1, 1.5, 1, 1].map((size, n) => String(n).repeat(size * MIB))
    expect(await flush(notes, { maxRecordSize: 8 * MIB })).toEqual([2, 1, 3, 1])
  })

  test('carries texts of every length and alphabet', async () => {
    const lengths = [0, 1, 31, 32, 255, 256, 65_535, 65_536]
    expect(await flush(['a', 'é', '漢', '😀', '\u0080'].flatMap((text) => lengths.map((length) => text.repeat(length))))).toEqual([40])
  })
})
