/** What a read finds, and which of the reads that miss ask the database. */
import { describe, expect, test } from 'vitest'
import { Counters, still } from '../counters.js'

const counters = new Counters()
const { connect, values } = counters

describe('reads', () => {
  test('go on from the ledger when Redis was emptied', async () => {
    const cache = await connect({ counter: still })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    await cache.flush()
    await counters.connection.empty()
    const adopted: unknown[] = []
    cache.events.on('adopted', (event) => adopted.push(event))
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 1n })
    expect(adopted).toMatchObject([{ model: 'Counter', shard: 0, batch: undefined }])
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 2n })
    await cache.flush()
    expect(await values()).toEqual([{ name: 'a', value: '2' }])
  })

  test('that miss at the same time share one statement, and later ones need none', async () => {
    const cache = await connect({ counter: still })
    await counters.database.query(`insert into "Counter" (name, value) values ('a', 7)`)
    const rows = await Promise.all(Array.from({ length: 50 }, () => cache.counter.findUnique({ where: { name: 'a' } })))
    expect(rows).toEqual(Array(50).fill({ name: 'a', value: 7n }))
    await cache.counter.findUnique({ where: { name: 'a' } })
    expect(counters.gate.statements).toBe(1)
  })

  test('see a write that is claimed by a flush which has not ended', async () => {
    const cache = await connect({ counter: still })
    await counters.database.query(`insert into "Counter" (name, value) values ('a', 7)`)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    counters.gate.close('with fence')
    const flushed = cache.flush()
    await counters.gate.held()
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 8n })
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 9n })
    counters.gate.open()
    await flushed
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 9n })
  })

  test('remember a missing row briefly, and see it when it is written', async () => {
    const cache = await connect({ counter: still })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toBeNull()
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toBeNull()
    expect(counters.gate.statements).toBe(1)
    await cache.counter.increment({ name: 'a' }, { value: 1 })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toEqual({ name: 'a', value: 1n })
    await cache.counter.delete({ where: { name: 'a' } })
    expect(await cache.counter.findUnique({ where: { name: 'a' } })).toBeNull()
  })
})

test('findMany gives rows in the order of the keys, all acknowledged writes included, and null for a missing one', async () => {
  const cache = await connect({ reading: { ...still, shards: 2 } })
  await counters.database.prisma.reading.create({ data: { device: 'd', metric: 'stored', value: 1, at: new Date(0) } })
  const where = (metric: string) => ({ device_metric: { device: 'd', metric } })
  await cache.reading.update({ where: where('stored'), data: { samples: { increment: 2 } } })
  await cache.reading.upsert({ where: where('new'), create: { value: 2, at: new Date(0) }, update: {} })
  const keys = ['new', 'missing', 'stored', 'new'].map(where)
  expect(await cache.reading.findMany({ keys, select: { metric: true, value: true, samples: true } })).toEqual([
    { metric: 'new', value: 2, samples: 0 },
    null,
    { metric: 'stored', value: 1, samples: 2 },
    { metric: 'new', value: 2, samples: 0 },
  ])
  expect(await cache.reading.findMany({ keys: [] })).toEqual([])
})
