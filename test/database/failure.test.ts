/** What a failure of the database means for a batch, where no test makes the database fail so. */
import { expect, test } from 'vitest'
import { toPersistError } from '../../src/database/failure.js'

test.each([
  ['08006', 'OUTAGE'],
  ['40001', 'OUTAGE'],
  ['57014', 'OUTAGE'],
  ['53300', 'OUTAGE'],
  ['0A000', 'OUTAGE'],
  ['42P01', 'SCHEMA_MISMATCH'],
  ['42501', 'SCHEMA_MISMATCH'],
  ['428C9', 'REFUSED'],
  ['21000', 'REFUSED'],
  ['23505', 'REFUSED'],
  ['44000', 'REFUSED'],
  ['27000', 'REFUSED'],
  ['P0001', 'REFUSED'],
  ['20000', 'REFUSED'],
  ['UE001', 'REFUSED'],
  ['99999', 'REFUSED'],
  ['55000', 'OUTAGE'],
  ['72000', 'OUTAGE'],
  ['HV000', 'OUTAGE'],
  ['XX000', 'OUTAGE'],
  ['45000', 'REFUSED'],
  ['2D000', 'REFUSED'],
  ['54000', 'REFUSED'],
  ['EPIPE', 'OUTAGE'],
  ['N/A', 'OUTAGE'],
])('%s is %s', (originalCode, code) => {
  expect(toPersistError('Counter', { code: 'P2010', meta: { driverAdapterError: { cause: { originalCode } } } })).toMatchObject({
    code,
    databaseCode: originalCode,
  })
})

test('a row that a policy refuses is refused, though its SQLSTATE is that of a missing right', () => {
  const message = 'new row violates row-level security policy for table "counters"'
  expect(toPersistError('Counter', { code: '42501', message }).code).toBe('REFUSED')
})

test.each(['26000', '42P05'])("%s is a pooler's, which the message says", (code) => {
  expect(toPersistError('Counter', { code })).toMatchObject({ code: 'OUTAGE', message: expect.stringContaining('pooler') })
})

test('what a trigger says is not repeated', () => {
  const message = 'expected nothing in column "SECRET", constraint "SECRET"'
  expect(toPersistError('Counter', { code: 'P0001', message, constraint: 'SECRET' }).message).not.toContain('SECRET')
})
