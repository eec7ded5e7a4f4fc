/** The lease of a load: only the load that has it may store its view. */
import { describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { shardOf } from '../../src/model/key.js'
import { Reader } from '../../src/read/reader.js'
import type { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { Store } from '../../src/redis/store.js'
import { HOUR } from '../counters.js'
import { connect, connection, holds, isStored, read, set, shards, snapshots, whileLoading } from './row.js'

describe('misses', () => {
  test('that come together, or while a load is under way, share one load', async () => {
    await whileLoading(async () => {
      const later = Array.from({ length: 50 }, () => read())
      await new Promise((resolve) => setTimeout(resolve, 50))
      snapshots.after = () => Promise.all(later)
    })
    await Promise.all(Array.from({ length: 50 }, () => read()))
    expect(snapshots.count).toBe(1)
  })

  test('after the row changed do not join a load that began before', async () => {
    const { loaded, result } = await whileLoading(async () => {
      const hold = await holds().hold(['a'])
      await set(2)
      await hold.release()
      return read()
    })
    expect(result).toBe(2n)
    expect(loaded).toBe(2n) // as there is a view of the row by then
    expect(await read()).toBe(2n)
  })

  test('of another process under the same lease load for themselves, and leave the view right', async () => {
    const other = await connect()
    const { result } = await whileLoading(() => read(other))
    expect(result).toBe(1n)
    expect(await isStored()).toBe(true)
    await other.close()
  })
})

test('a read that is sent twice, and arrives once more when its lease has gone, lets no old row be stored', async () => {
  const model = models.counter
  const store = new Store(connection.redis)
  const sent: (() => Promise<unknown>)[] = []
  // As a retrying connection does when a connection is lost on the way.
  const retrying = {
    ask: <T>(_: unknown, send: () => Promise<T>) => send().finally(() => sent.push(send)),
  } as unknown as RetryingConnection
  const snapshot = async (_: number, keys: readonly string[]) => {
    const hold = await holds().hold(['a'])
    await hold.release()
    await sent[0]?.()
    return { ledger: null, rows: keys.map((key) => ({ key, values: ['1'] })), unreadable: new Map() }
  }
  const reader = new Reader({
    model,
    store,
    connection: retrying,
    shards,
    ttl: { view: HOUR, missing: HOUR },
    snapshot,
    onAdopted: () => {},
  })
  await set(2)
  expect(await reader.find(shardOf('a', 2), 'a', (view) => view)).toEqual(['1'])
  expect(await read()).toBe(2n)
})
