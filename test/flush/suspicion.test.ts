/** The database fails for one record, in whatever way: the record is parked, and its neighbours arrive. */
import { expect, test } from 'vitest'
import { ParkedError } from '../../src/index.js'
import { goodNames, Misbehaviour, write } from './misbehaviour.js'

const misbehaviour = new Misbehaviour()
const { connect, rows } = misbehaviour

const raise = (state: string) => `do $r$ begin raise exception sqlstate '${state}' using message = 'SECRET'; end $r$`

/** Of classes that say nothing of a row, and of one that PostgreSQL does not know. */
const STATES = [
  '45000',
  'XX000',
  '08006',
  '0A000',
  '25006',
  '26000',
  '2D000',
  '40001',
  '42501',
  '42P01',
  '53100',
  '55P03',
  '57P03',
  'EXXXX',
]

test.each(STATES)('a record for which a trigger raises %s is parked, and its neighbours arrive', async (state) => {
  await misbehaviour.begin(raise(state))
  const cache = await connect()
  await write(cache, ...goodNames, 'bad', 'bad2')
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(goodNames)
  const parked = await cache.parked()
  expect(parked.map(({ key }) => key).sort()).toEqual(['bad', 'bad2'])
  for (const { reason } of parked) {
    expect(reason).toContain(state)
    expect(reason).not.toContain('SECRET')
  }
  await misbehaviour.end()
  expect(await cache.flush()).toEqual({ records: 2 })
  await cache.close()
})

test('a record that stands alone in its shard is parked for a failure that comes again', async () => {
  await misbehaviour.begin(raise('XX000'))
  const cache = await connect()
  await write(cache, 'bad')
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  await write(cache, 'good')
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(['good'])
  await cache.close()
})

test.each(['42P01', '42501', '53100'])(
  'where a trigger raises %s for all that is dirty, that stops nobody that comes later',
  async (state) => {
    await misbehaviour.begin(raise(state))
    const cache = await connect()
    await write(cache, 'bad', 'bad2')
    for (let n = 0; n < 3; n++) await expect(cache.flush({ timeout: 1000 })).rejects.not.toThrow(ParkedError)
    expect(await cache.parked()).toEqual([])
    await write(cache, ...goodNames)
    await expect(cache.flush()).rejects.toThrow(ParkedError)
    expect(await rows()).toEqual(goodNames)
    expect((await cache.parked()).map(({ key }) => key).sort()).toEqual(['bad', 'bad2'])
    await misbehaviour.end()
    expect(await cache.flush()).toEqual({ records: 2 })
    await cache.close()
  },
)

test('what was parked before holds up nobody when it is tried again by another process', async () => {
  await misbehaviour.begin(raise('42P01'))
  const cache = await connect()
  await write(cache, ...goodNames, 'bad', 'bad2')
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  await cache.close({ drain: 'none' })
  const second = await connect()
  await expect(second.flush()).rejects.toThrow(ParkedError)
  await write(second, 'good')
  await expect(second.flush()).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(['good', ...goodNames])
  await second.close({ drain: 'none' })
})

test('a client without transactions finds the record by halves', async () => {
  await misbehaviour.begin(raise('40001'))
  const cache = await connect({
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]) => misbehaviour.prisma.$queryRawUnsafe<T>(sql, ...values),
  })
  await write(cache, ...goodNames, 'bad')
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(goodNames)
  await cache.close()
})

test('a record that breaks the connection is parked', async () => {
  await misbehaviour.begin('select pg_terminate_backend(pg_backend_pid())')
  const cache = await connect()
  await write(cache, ...goodNames, 'bad')
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(goodNames)
  await cache.close()
})

test.each([
  ['its statement', {}],
  ['its statement, or a trial of it,', { $transaction: () => Promise.reject(new Error('Connection terminated unexpectedly')) }],
])('a record for which %s takes the database down for a while is parked, and its neighbours arrive', async (_, others) => {
  let downUntil = 0
  const cache = await connect({
    ...others,
    $queryRawUnsafe: async <T>(sql: string, ...values: unknown[]) => {
      if (values.some((value) => String(value).includes('poison'))) downUntil = performance.now() + 150
      if (performance.now() < downUntil) throw new Error('Connection terminated unexpectedly')
      return misbehaviour.prisma.$queryRawUnsafe<T>(sql, ...values)
    },
  })
  await write(cache, 'poison', ...goodNames.slice(0, 3))
  await expect(cache.flush({ timeout: 120_000 })).rejects.toThrow(ParkedError)
  expect(await rows()).toEqual(goodNames.slice(0, 3))
  expect(await cache.parked()).toMatchObject([{ key: 'poison' }])
  await cache.close({ deadline: 1000 })
})
