/** Models with as many columns as PostgreSQL allows: no limit of Lua, cmsgpack, Node or PostgreSQL stops a record. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { createWriteBehind, type WriteBehind } from '../src/index.js'
import type { Field, Model } from '../src/model/model.js'
import { RetryingConnection } from '../src/redis/retrying-connection.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const quiet = { debounce: 600_000, maxWait: 600_000, shards: 1 }
const ID = { ...(models.counter.fields[0] as Field), name: 'id', column: 'id' }
const COUNT = models.player.fields.find(({ name }) => name === 'score') as Field
const wide = modelOf('Wide', 1599)
const many = modelOf('Many', 130)

let database: TestDatabase
let connection: ReturnType<typeof createRedis>
let cache: WriteBehind & { readonly wide: Untyped; readonly many: Untyped }

/** The calls of a model whose fields the compiler does not know. */
interface Untyped {
  increment(where: object, amounts: object): Promise<void>
  max(where: object, values: object): Promise<void>
  min(where: object, values: object): Promise<void>
  update(args: object): Promise<void>
  upsert(args: object): Promise<void>
  pending(where: object): Promise<unknown>
  findUnique(args: object): Promise<unknown>
  findMany(args: object): Promise<unknown[]>
}

beforeAll(async () => {
  database = await createDatabase()
  for (const { name, fields } of [wide, many]) {
    const columns = fields.slice(1).map(({ column }) => `${column} int not null default 0`)
    await database.query(`create table "${name}" (id text primary key, ${columns.join(', ')})`)
  }
})

afterAll(() => database.drop())

beforeEach(async () => {
  connection = createRedis()
  const { redis, namespace } = connection
  cache = (await createWriteBehind({
    prisma: database.prisma,
    redis,
    namespace,
    models: { wide, many },
    policies: { wide: quiet, many: quiet },
  })) as unknown as typeof cache
})

afterEach(async () => {
  await cache.close({ deadline: 100 })
  await connection.clean()
  await database.query('delete from "Wide"')
})

test('a record of 1,600 columns is incremented, bounded, inserted, read and flushed', async () => {
  await cache.wide.increment({ id: 'a' }, all(1))
  await cache.flush()
  await cache.wide.max({ id: 'a' }, all(5))
  await cache.wide.min({ id: 'a' }, all(7))
  await cache.wide.increment({ id: 'a' }, all(1))
  await cache.wide.update({ where: { id: 'b' }, data: all({ max: 3 }) })
  await cache.wide.upsert({ where: { id: 'b' }, create: all(1), update: all({ increment: 2 }) })
  expect(await cache.wide.pending({ id: 'a' })).toMatchObject({ kind: 'upsert', increment: { c0: 1n, c1598: 1n } })
  expect(await cache.wide.findUnique({ where: { id: 'a' } })).toEqual({ id: 'a', ...all(6) })
  await cache.flush()
  expect(await cache.parked()).toEqual([])
  expect(await rows()).toEqual([
    { id: 'a', ...all(6) },
    { id: 'b', ...all(1) },
  ])
})

test('records of 1,600 columns go in one call and one batch, are refused, written again, and arrive', async () => {
  await database.query('alter table "Wide" add constraint odd check (c1598 <> 5)')
  await Promise.all(['a', 'b'].map((id) => cache.wide.max({ id }, all(5))))
  await expect(cache.flush()).rejects.toMatchObject({ code: 'PARKED', keys: expect.arrayContaining(['a', 'b']) })
  await Promise.all(['a', 'b'].map((id) => cache.wide.increment({ id }, all(2))))
  await cache.flush()
  expect(await rows()).toEqual(['a', 'b'].map((id) => ({ id, ...all(7) })))
  await database.query('alter table "Wide" drop constraint odd')
})

test('a thousand keys of 130 columns are read in one call', async () => {
  const ids = Array.from({ length: 1000 }, (_, n) => `k${n}`)
  await database.query('insert into "Many" (id, c129) select id, 7 from unnest($1::text[]) id', [ids])
  const found = await cache.many.findMany({ keys: ids.map((id) => ({ id })), select: { c129: true } })
  expect(found).toEqual(ids.map(() => ({ c129: 7 })))
})

test('a fault in a call is reported as it is, and not as a Redis that is away', async () => {
  const link = new RetryingConnection(connection.redis, 10_000)
  await connection.redis.ping()
  for (const Fault of [RangeError, TypeError, ReferenceError]) {
    let calls = 0
    const fault = () => {
      // The first attempt may have arrived.
      if (++calls === 1) return Promise.reject(new Error('the connection to Redis was lost'))
      throw new Fault('Maximum call stack size exceeded')
    }
    await expect(link.ask('Many', fault)).rejects.toThrow(Fault)
    expect(calls).toBe(2)
  }
  expect(link.load).toBe(0)
})

function modelOf(name: string, count: number): Model {
  const counts = Array.from({ length: count }, (_, n) => ({ ...COUNT, name: `c${n}`, column: `c${n}` }))
  return { ...models.counter, name, table: name, fields: [ID, ...counts], key: ['id'] }
}

function all<T>(value: T): Record<string, T> {
  return Object.fromEntries(wide.fields.slice(1).map(({ name }) => [name, value]))
}

async function rows(): Promise<object[]> {
  return (await database.query<object>('select * from "Wide" order by id')) as object[]
}
