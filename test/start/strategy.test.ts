/** When a model gets another strategy, what waits is written first. */
import { describe, expect, test } from 'vitest'
import { connect, DIRECT, database, read, row, set, useDirectCaches, where } from '../write/direct.js'

useDirectCaches()

describe('a model whose strategy changes', () => {
  test.each(DIRECT)('to %s flushes its dirty records before the start ends', async (strategy) => {
    const behind = await connect('write-behind')
    await set(behind, 5)
    await behind.counter.increment({ name: 'b' }, { value: 1 })
    const cache = await connect(strategy)
    expect(await row()).toBe(5)
    expect(await cache.status()).toMatchObject([{ model: 'Counter', dirty: 0, rows: 2 }, {}])
    expect(await read(cache)).toBe(5n)
  })

  test('does not start while records are parked, and says which', async () => {
    await database.query('alter table "Counter" add constraint "Small" check (value < 100)')
    const behind = await connect('write-behind')
    await set(behind, 500)
    await expect(connect('write-through')).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message:
        'policies.counter.strategy: the database refuses 1 record(s) that were written with the strategy write-behind (a); set the strategy to write-behind again, correct them, and then set it to write-through',
    })
    await database.query('alter table "Counter" drop constraint "Small"')
    await connect('write-through')
    expect(await row()).toBe(500)
  })

  test('back to write-behind goes on from the rows', async () => {
    const through = await connect('write-through')
    await set(through, 5)
    const behind = await connect('write-behind')
    await behind.counter.increment(where, { value: 1 })
    expect([await read(behind), await read(through), await row()]).toEqual([6n, 6n, 5])
  })

  test('is refused if there is no such strategy', async () => {
    await expect(connect('write-back' as never)).rejects.toThrow(
      'policies.counter.strategy: expected "write-behind" or "write-through" or "write-around", got "write-back"',
    )
  })
})
