/** Why the database does not answer at the start, or is refused, in words of ours: a message of another library may quote anything. */

import type { Ledger } from '../../model/model.js'
import { toPersistError } from '../failure.js'
import type { Ask } from './place.js'

/** What codes stand for that the text of an outage does not tell apart. */
const HINTS: readonly (readonly [codes: RegExp, hint: string])[] = [
  [/^28/, 'the server refuses the role, or its password'],
  [/^25006$/, 'the database can only be read: default_transaction_read_only is on, or the server is a replica'],
]

export function reasonOf(error: unknown): string {
  const { message, databaseCode } = toPersistError('the reason', error)
  const hint = HINTS.find(([codes]) => codes.test(databaseCode ?? ''))?.[1]
  return hint === undefined ? message : `${message}: ${hint}`
}

const REFUSED_CONNECTIONS: Readonly<Record<string, string>> = {
  '42501': "its role lacks the right to it; run GRANT CONNECT ON DATABASE for the role of Prisma's connection",
  '3D000': "there is none of the name that Prisma's connection says; create it, or correct the name",
}

const REFUSED_ROWS: Readonly<Record<string, string>> = {
  '42501': 'the role lacks a right that the row needs, such as one of a trigger; grant it',
  '23502':
    'a column that is NOT NULL gets no value, since only shard, batch and recent are written; give the others a default, or let them be null',
}

/** @param step that failed */
export async function describeRefusal(error: unknown, step: 'inspect' | 'bind', ask: Ask, ledgers: readonly Ledger[]): Promise<string> {
  const code = toPersistError('', error).databaseCode ?? ''
  if (await refusesAll(ask, code))
    return `the database refuses the connection: ${REFUSED_CONNECTIONS[code] ?? "correct the settings of Prisma's connection"} (${code})`
  if (step === 'inspect')
    return `the catalog (pg_catalog) cannot be read, which says whether the tables fit the schema; grant the role SELECT on it (${code})`
  const tables = [...new Set(ledgers.map(({ table }) => table))].join(' or ')
  const cause = REFUSED_ROWS[code] ?? 'a constraint, a trigger or a rule of the table refuses it'
  return `The ledger: ${tables} does not take the row that says whose it is: ${cause} (${code})`
}

/** A connection that is refused carries out no statement, not even one that needs nothing. */
async function refusesAll(ask: Ask, code: string): Promise<boolean> {
  try {
    await ask('select 1')
    return false
  } catch (error) {
    return toPersistError('', error).databaseCode === code
  }
}
