import { expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Database } from '../../src/database/postgresql/database.js'
import { Counters } from '../counters.js'

const counters = new Counters()

test('a batch that knows of one before it is not applied when the ledger has lost its row', async () => {
  const persisted = new Database(counters.database.prisma, models.counter, 30_000)
  expect(await persisted.persist(`${counters.connection.namespace}:0`, { id: '2', previous: '1' }, persisted.prepare([]))).toEqual({
    outcome: 'elsewhere',
    ledger: null,
  })
  expect(await persisted.persist(`${counters.connection.namespace}:0`, { id: '2', previous: null }, persisted.prepare([]))).toMatchObject({
    outcome: 'applied',
  })
})
