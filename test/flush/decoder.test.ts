import { expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { Counters, still } from '../counters.js'

const counters = new Counters()

test('rows are written in the order of their keys, so that two writers of the same rows do not wait for each other in a circle', async () => {
  const rows: string[][] = []
  const client = {
    async $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      if (sql.startsWith('with fence')) rows.push((values[3] as string).slice(1, -1).split(','))
      return counters.database.prisma.$queryRawUnsafe<T>(sql, ...values)
    },
  }
  const { redis, namespace } = counters.connection
  const cache = await createWriteBehind({ prisma: client, redis, namespace, models, policies: { counter: still } })
  for (const name of ['z', 'm', 'a', 'q']) {
    await cache.counter.increment({ name }, { value: 1 })
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await cache.close()
  expect(rows).toEqual([['a', 'm', 'q', 'z']])
})
