/**
 * A record that is deleted and inserted again before a flush is deleted and then inserted: what the database does to rows that refer to it, and
 * to what the schema does not show, is done as under plain Prisma.
 */
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Delegate } from '../equivalence/calls.js'
import { createRelationsStage, DEFERRED, key } from './stage.js'

const RUNS = Number(process.env.RUNS ?? 25)
const NOTES = 3

/** Statements of the cache until one fails, and how; 0: none does. */
let statements = 0
let fault: 'before' | 'after' = 'before'
let stage: Awaited<ReturnType<typeof connect>>
let plain: Awaited<ReturnType<typeof connect>>
let postId: string
/** What the ledger was found to hold unexpectedly. */
let adopted: unknown[]

function connect() {
  return createRelationsStage({ note: { ...DEFERRED, shards: 1, batchSize: 2 } }, (send) => (statements === 0 ? send() : count(send)))
}

async function count(send: () => Promise<unknown>): Promise<unknown> {
  const fails = --statements === 0
  if (fails && fault === 'before') throw new Error('Connection terminated unexpectedly')
  const result = await send()
  if (fails) throw new Error('Connection terminated unexpectedly')
  return result
}

beforeAll(async () => {
  stage = await connect()
  stage.cache.events.on('adopted', (event) => void adopted.push(event))
  plain = await connect()
  for (const { query } of [stage, plain]) {
    await query(`alter table "Note" add hidden text default 'new'`)
    await query('create table deleted (n bigserial, id text)')
    await query(
      `create function note_delete() returns trigger language plpgsql as $$ begin insert into deleted (id) values (old.id); return null; end $$`,
    )
    await query('create trigger note_delete after delete on "Note" for each row execute function note_delete()')
  }
})

afterAll(async () => {
  await stage.close()
  await plain.close()
})

beforeEach(async () => {
  statements = 0
  adopted = []
  postId = key()
  for (const { prisma } of [stage, plain]) await prisma.post.create({ data: { id: postId, author: { create: { id: postId } } } })
})

afterEach(() => expect(adopted).toEqual([]))

/** A note in the database, with a remark and a pin on it. */
async function noteWithChildren(id: string, { prisma, query }: Pick<typeof stage, 'prisma' | 'query'> = stage): Promise<void> {
  await prisma.note.create({ data: { id, postId, views: 7 } })
  await prisma.remark.create({ data: { noteId: id } })
  await prisma.pin.create({ data: { noteId: id } })
  await query(`update "Note" set hidden = 'old' where id = $1`, [id])
}

async function stateOf(ids: readonly string[], { query }: Pick<typeof stage, 'query'> = stage): Promise<unknown> {
  return {
    notes: await query('select * from "Note" where id = any($1) order by id', [ids]),
    remarks: await query('select "noteId" from "Remark" where "noteId" = any($1) order by 1', [ids]),
    pins: await query('select count(*)::int from "Pin" where "noteId" = any($1)', [ids]),
  }
}

async function replace(id: string): Promise<void> {
  await stage.db.note.delete({ where: { id } })
  await stage.db.note.create({ data: { id, postId, views: 1 } })
}

test('what the schema deletes or sets null along with the old row, and columns that the model lacks, are not those of the new one', async () => {
  const id = key()
  await noteWithChildren(id)
  await replace(id)
  await stage.cache.flush()
  expect(await stateOf([id])).toMatchObject({ notes: [{ id, views: 1, hidden: 'new' }], remarks: [], pins: [{ count: 0 }] })
  expect(await stage.query('select id from deleted where id = $1', [id])).toEqual([{ id }])
})

test.each(['restrict', 'no action', 'no action deferrable initially deferred'])(
  'a child that keeps its parent (%s) keeps it here too, until it is gone',
  async (action) => {
    const id = key()
    await stage.query(`create table kept (note text references "Note" (id) on delete ${action})`)
    await stage.prisma.note.create({ data: { id, postId, views: 7 } })
    await stage.query('insert into kept values ($1)', [id])
    await replace(id)
    await expect(stage.cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
    expect(await stateOf([id])).toMatchObject({ notes: [{ views: 7 }] })
    expect(await stage.db.note.findUnique({ where: { id } })).toMatchObject({ views: 1 })
    await stage.query('drop table kept')
    await stage.cache.flush()
    expect(await stateOf([id])).toMatchObject({ notes: [{ views: 1 }] })
  },
)

test('a child that keeps its parent stops no neighbour in the batch', async () => {
  const [kept, other] = [key(), key()]
  const parked: string[] = []
  stage.cache.events.on('parked', (event) => void parked.push(event.key))
  // No row is updated, not even to find out which one is refused.
  await stage.query(`create function never() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
  await stage.query('create trigger never before update of text on "Note" for each row execute function never()')
  await stage.query('create table kept (note text references "Note" (id) on delete restrict)')
  for (const id of [kept, other]) await noteWithChildren(id)
  await stage.query('insert into kept values ($1)', [kept])
  for (const id of [kept, other]) await replace(id)
  await expect(stage.cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: [kept] })
  expect(new Set(parked)).toEqual(new Set([kept]))
  expect(await stateOf([kept, other])).toMatchObject({ remarks: [{ noteId: kept }], pins: [{ count: 1 }] })
  expect(await stage.prisma.note.findMany({ where: { id: { in: [kept, other] } }, orderBy: { views: 'asc' } })).toMatchObject([
    { id: other, views: 1 },
    { id: kept, views: 7 },
  ])
  await stage.query('drop trigger never on "Note"')
  await stage.query('drop table kept')
  await stage.cache.flush()
  expect(await stateOf([kept, other])).toMatchObject({ remarks: [], notes: [{ views: 1 }, { views: 1 }] })
})

test('a new row that is refused leaves the old one deleted, and comes when it is taken', async () => {
  const id = key()
  await noteWithChildren(id)
  await stage.query(`alter table "Note" add constraint many check (views > 5) not valid`)
  await replace(id)
  await expect(stage.cache.flush()).rejects.toMatchObject({ code: 'PARKED' })
  expect(await stateOf([id])).toMatchObject({ notes: [], remarks: [] })
  expect(await stage.db.note.findUnique({ where: { id } })).toMatchObject({ views: 1 })
  await stage.cache.note.invalidate({ id })
  expect(await stage.db.note.findUnique({ where: { id } })).toMatchObject({ views: 1 })
  await stage.query('alter table "Note" drop constraint many')
  await stage.cache.flush()
  expect(await stateOf([id])).toMatchObject({ notes: [{ views: 1 }] })
})

test.each([
  [1, 'before'],
  [1, 'after'],
  [2, 'before'],
  [2, 'after'],
] as const)('statement %i fails %s it was sent: the row is replaced once, and read meanwhile as it will be', async (number, when) => {
  const id = key()
  await noteWithChildren(id)
  await replace(id)
  statements = number
  fault = when
  await expect(stage.cache.flush({ timeout: 50 })).rejects.toMatchObject({ code: expect.stringMatching(/OUTAGE|TIMEOUT/) })
  statements = 0
  await stage.cache.note.invalidate({ id })
  expect(await stage.cache.note.findUnique({ where: { id } })).toMatchObject({ views: 1 })
  await stage.cache.note.update({ where: { id }, data: { views: { increment: 1 } } })
  await stage.cache.flush()
  expect(await stateOf([id])).toMatchObject({ notes: [{ views: 2, hidden: 'new' }], remarks: [] })
  expect(await stage.query('select id from deleted where id = $1', [id])).toEqual([{ id }])
})

type Step =
  | { readonly do: 'delete' | 'create' | 'update' | 'upsert' | 'remark' | 'pin'; readonly note: number }
  | { readonly do: 'flush'; readonly fails: number; readonly when: 'before' | 'after' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('delete', 'create', 'update', 'upsert', 'remark', 'pin'), note: fc.nat(NOTES - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('flush' as const), fails: fc.nat(4), when: fc.constantFrom('before', 'after') }) },
)

test('whatever is deleted, inserted and referred to, the tables are as plain Prisma leaves them', { timeout: 1_200_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
      const ids = Array.from({ length: NOTES }, () => key())
      for (const each of [stage, plain]) for (const id of ids.slice(1)) await noteWithChildren(id, each)
      for (const [n, each] of steps.entries()) {
        if (each.do === 'flush') {
          statements = each.fails
          fault = each.when
          await stage.cache.flush({ timeout: 200 }).catch(() => undefined)
          statements = 0
        } else {
          const id = ids[each.note] as string
          expect(await codeOf(play(stage.db as unknown as Client, each.do, id, n))).toEqual(
            await codeOf(play(plain.prisma as unknown as Client, each.do, id, n)),
          )
        }
      }
      await stage.cache.flush()
      expect(await stateOf(ids)).toEqual(await stateOf(ids, plain))
    }),
    { numRuns: RUNS },
  )
})

type Client = Readonly<Record<'note' | 'remark' | 'pin', Delegate>>

async function play({ note, remark, pin }: Client, what: Exclude<Step['do'], 'flush'>, id: string, n: number): Promise<unknown> {
  switch (what) {
    case 'delete':
      return note.delete?.({ where: { id } })
    case 'create':
      return note.create?.({ data: { id, postId, views: n } })
    case 'update':
      return note.update?.({ where: { id }, data: { views: { increment: 1 } } })
    case 'upsert':
      return note.upsert?.({ where: { id }, create: { id, postId, views: n }, update: { views: n } })
    case 'remark':
      return remark.create?.({ data: { noteId: id } })
    case 'pin':
      return pin.create?.({ data: { noteId: id } })
  }
}

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'done',
    ({ code }: { code: string }) => code,
  )
}
