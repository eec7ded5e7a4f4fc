/** Writes on a condition: the view decides in the call that writes, and the answer is the row. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { ChangeReader } from '../../src/change/change-reader.js'
import { Compiler } from '../../src/change/compiler.js'
import type { Condition, Operation } from '../../src/change/operation.js'
import { TestShard } from '../shard.js'

const FIELDS = [
  { name: 'name', start: '\0' },
  { name: 'score', start: '0' },
]
const id = '00000000-0000-4000-8000-000000000001'
const where = { id }
const compiler = new Compiler(models.player)
const creates = () => compiler.create({ data: { id, name: 'new', score: 1 } })
const adds = (increment: number) => compiler.update({ where, data: { score: { increment } } }) as Operation
const deletes = () => compiler.delete({ where })
const upserts = (row: string[] = []) =>
  compiler.upsert({ where, create: { name: 'new', score: 100 }, update: { score: { increment: 1 } } }, row)

let shard: TestShard

beforeEach(() => {
  shard = new TestShard('Player')
})

afterEach(() => shard.connection.clean())

/** The answer to one conditional operation. */
async function writeIf(operation: Operation, condition: Condition, row?: string[]) {
  const { rows, refused } = await shard.write(compiler.conditional(operation, condition, row))
  return refused.get(0) ?? rows.get(0)
}

function load(values: string[] | undefined, ledger: string | null = null): Promise<void> {
  return shard.load(id, FIELDS, values, ledger)
}

async function pending() {
  const content = (await shard.store.pending(shard.prefix, id)).pending
  return content.length === 0 ? undefined : new ChangeReader(models.player).readContent(content).change
}

describe('the view', () => {
  test('that is not there allows nothing', async () => {
    expect(await writeIf(adds(1), 'there')).toBe('unknown')
    expect(await writeIf(creates(), 'missing')).toBe('unknown')
    expect(await pending()).toBeUndefined()
  })

  test('says that the row is missing: only a create and an upsert are done', async () => {
    await load(undefined)
    expect(await writeIf(adds(1), 'there')).toBe('missing')
    expect(await writeIf(deletes(), 'there')).toBe('missing')
    expect(await pending()).toBeUndefined()
    expect(await writeIf(creates(), 'missing')).toEqual(['new', '1'])
    expect(await writeIf(creates(), 'missing')).toBe('there')
  })

  test('says that the row is there: the answer is the row after the write, of a delete the row before it', async () => {
    await load(['old', '5'])
    expect(await writeIf(creates(), 'missing')).toBe('there')
    expect(await writeIf(adds(2), 'there')).toEqual(['old', '7'])
    expect(await writeIf(deletes(), 'there')).toEqual(['old', '7'])
    expect(await writeIf(deletes(), 'there')).toBe('missing')
  })

  test('knows a sum that the column cannot hold', async () => {
    await load(['old', '5'])
    expect(await writeIf(adds(2 ** 31 - 1), 'there')).toBe('overflow')
    expect(await pending()).toBeUndefined()
    expect(await writeIf(adds(1), 'there')).toEqual(['old', '6'])
  })

  test('says nothing, and is dropped by an increment, if it lacks a field that the model has got since', async () => {
    const loadOlder = () => shard.load(id, FIELDS.slice(0, 1), ['old'])
    const isView = async () => (await shard.connection.redis.exists(`${shard.prefix}view/${id}`)) === 1
    await loadOlder()
    expect(await writeIf(adds(1), 'there')).toBe('unknown')
    const names = FIELDS.map(({ name }) => name)
    expect(await shard.store.read(shard.prefix, 'lease', 1000, names, [id])).toEqual([{ lease: expect.stringContaining('lease') }])
    await load(['old', '5'])
    expect(await writeIf(adds(1), 'there')).toEqual(['old', '6'])
    await shard.store.invalidate(shard.prefix, [id])
    await loadOlder()
    await shard.write(adds(1))
    expect(await isView()).toBe(false)
  })

  test('of an earlier epoch says nothing, and one made by a write is of this epoch', async () => {
    await shard.store.hold(shard.prefix, 'hold', 1000, [])
    await shard.store.release(shard.prefix, 'hold', [])
    await load(undefined)
    expect(await writeIf(creates(), 'missing')).toEqual(['new', '1'])
    expect(await writeIf(adds(1), 'there')).toEqual(['new', '2'])
    expect(await writeIf(deletes(), 'there')).toEqual(['new', '2'])
    expect(await writeIf(creates(), 'missing')).toEqual(['new', '1'])
    await shard.store.invalidate(shard.prefix, [])
    expect(await writeIf(adds(1), 'there')).toBe('unknown')
  })

  test('is dropped while the record is held, and a load makes none', async () => {
    await load(['old', '5'])
    await shard.store.hold(shard.prefix, 'hold', 1000, [id])
    await load(['old', '5'])
    expect(await writeIf(adds(1), 'there')).toBe('unknown')
    await shard.store.release(shard.prefix, 'hold', [id])
    await load(['old', '5'])
    expect(await writeIf(adds(1), 'there')).toEqual(['old', '6'])
  })
})

test('an upsert of a missing row is answered with what it inserts, and of one that is there with the changed row', async () => {
  await load(undefined)
  const row: string[] = []
  const operation = upserts(row)
  expect(await writeIf(operation, 'known', row)).toEqual(['new', '100'])
  expect(await writeIf(operation, 'known', row)).toEqual(['new', '101'])
  expect(await pending()).toMatchObject({ kind: 'upsert', insert: ['new', '101'] })
})

test('a call that is sent again answers the same rows, and changes nothing', async () => {
  await load(['old', '5'])
  const operations = [adds(1), compiler.conditional(adds(1), 'there'), adds(1), compiler.conditional(deletes(), 'missing')]
  const first = await shard.write(...operations)
  expect(await shard.writeAgain(...operations)).toEqual(first)
  expect(first.rows).toEqual(new Map([[1, ['old', '7']]]))
  expect(first.refused).toEqual(new Map([[3, 'there']]))
  expect(await pending()).toMatchObject({ kind: 'update', values: ['3'] })
})

describe('a create', () => {
  beforeEach(async () => {
    await load(undefined)
    await writeIf(creates(), 'missing')
  })

  test('stays an insert under what follows, and a delete takes it back', async () => {
    await shard.write(adds(2), upserts(), compiler.update({ where, data: { name: 'newer' } }) as Operation)
    expect(await pending()).toMatchObject({ kind: 'insert', insert: ['newer', '4'] })
    await shard.write(deletes())
    expect(await pending()).toMatchObject({ kind: 'delete' })
    expect(await writeIf(creates(), 'missing')).toEqual(['new', '1'])
    expect(await pending()).toMatchObject({ kind: 'replace', insert: ['new', '1'] })
  })

  test('that is refused stays an insert under what was written meanwhile', async () => {
    await shard.park(id, () => shard.write(adds(2), upserts()))
    expect(await pending()).toMatchObject({ kind: 'insert', insert: ['new', '4'] })
    expect(await writeIf(adds(1), 'there')).toEqual(['new', '5'])
    await shard.park(id)
    expect(await pending()).toMatchObject({ kind: 'insert', insert: ['new', '5'] })
  })

  test('that is refused after a delete, or before one, is no insert any more', async () => {
    await shard.park(id, () => shard.write(deletes()))
    expect(await pending()).toMatchObject({ kind: 'delete' })
    await shard.park(id, () => writeIf(creates(), 'missing'))
    expect(await pending()).toMatchObject({ kind: 'replace', insert: ['new', '1'] })
  })

  test('is laid over the row that a load reads', async () => {
    await shard.store.invalidate(shard.prefix, [id])
    await load(undefined)
    expect(await writeIf(adds(1), 'there')).toEqual(['new', '2'])
  })
})

test('a create after an update of a row that is missing inserts what it says', async () => {
  await load(undefined)
  await shard.write(adds(7))
  expect(await writeIf(creates(), 'missing')).toEqual(['new', '1'])
  expect(await pending()).toMatchObject({ kind: 'insert', insert: ['new', '1'] })
})

test('a create after an update that is claimed, and refused, inserts what it says', async () => {
  await load(undefined)
  await shard.write(adds(7))
  await shard.park(id, () => writeIf(creates(), 'missing'))
  expect(await pending()).toMatchObject({ kind: 'insert', insert: ['new', '1'] })
})
