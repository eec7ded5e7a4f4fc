/** Why the database refuses the start, and what to do. */
import { ledgersOf } from '../../model/ledgers.js'
import type { Model } from '../../model/model.js'
import type { Ask } from './place.js'
import { quoteTable } from './quote.js'
import { classify } from './sqlstate.js'

const REFUSED_CONNECTIONS: Readonly<Record<string, string>> = {
  '42501': "the role may not connect to the database; run GRANT CONNECT ON DATABASE for the role of Prisma's connection",
  '3D000': "there is no database with the name in Prisma's connection; create it, or correct the name",
}

const REFUSED_ROWS: Readonly<Record<string, string>> = {
  '42501': 'the role lacks a right that the row needs, such as one of a trigger; grant it',
  '23502':
    'a NOT NULL column gets no value, because the library writes only shard, batch and recent; give the other columns a default, or let them be null',
}

/** @param step the step that failed with `error` */
export async function describeRefusal(ask: Ask, error: unknown, step: 'inspect' | 'bind', models: readonly Model[]): Promise<string> {
  const code = classify(error).databaseCode ?? ''
  if (await refusesAll(ask, code))
    return `the database refuses the connection: ${REFUSED_CONNECTIONS[code] ?? "correct the settings of Prisma's connection"} (${code})`
  if (step === 'inspect')
    return `the role may not read the catalog (pg_catalog), which says whether the tables fit the schema; grant the role SELECT on it (${code})`
  const tables = ledgersOf(models).map(({ ledger }) => quoteTable(ledger))
  const cause = REFUSED_ROWS[code] ?? 'a constraint, a trigger or a rule of the table refuses it'
  return `The ledger: ${tables.join(' or ')} refuses the row that says to which namespace the ledger belongs: ${cause} (${code})`
}

/** Whether the connection is refused. Then it carries out no statement, not even one that needs no rights. */
async function refusesAll(ask: Ask, code: string): Promise<boolean> {
  try {
    await ask('select 1')
    return false
  } catch (error) {
    return classify(error).databaseCode === code
  }
}
