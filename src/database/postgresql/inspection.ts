import { ConfigurationError } from '../../errors.js'
import { ledgersOf } from '../../model/ledgers.js'
import type { Field, Model, TableName } from '../../model/model.js'
import { CATALOG_QUERY, type FoundTable, type WantedColumn, type WantedTable } from './catalog.js'
import { describeProblems } from './inspection-problems.js'
import type { Ask } from './place.js'
import { qualify } from './quote.js'
import { digitsOf } from './types.js'

/**
 * Compares the tables of the models, and their ledgers, with what the statements need. It sends one statement, which reads only the catalog.
 * @throws ConfigurationError that names all that is missing, and what to do
 */
export async function inspect(ask: Ask, models: readonly Model[]): Promise<void> {
  const wanted = [...models.map(wantedTable), ...wantedLedgers(models)]
  const rows = await ask<{ found: string }>(CATALOG_QUERY, JSON.stringify(wanted.map((table, n) => ({ n, ...table }))))
  const problems = wanted.flatMap((table, n) => describeProblems(table, JSON.parse(rows[n]?.found ?? 'null') as FoundTable))
  if (problems.length > 0)
    throw new ConfigurationError(`the database does not fit the schema:\n${problems.map((each) => `- ${each}`).join('\n')}`)
}

function wantedTable(model: Model): WantedTable {
  return {
    subject: model.name,
    ...namesOf(model),
    keys: model.fields.filter(({ name }) => model.key.includes(name)).map(({ column }) => column),
    deletes: true,
    columns: model.fields.map((field) => wantedColumn(field, model.key.includes(field.name))),
  }
}

function wantedColumn(field: Field, isKey: boolean): WantedColumn {
  const { name, column, sqlType, sqlSchema, list, enum: labels } = field
  return {
    name: column,
    type: labels === undefined ? sqlType : undefined,
    typeSchema: labels && sqlSchema,
    typeName: labels && sqlType,
    labels: Object.values(labels ?? {}),
    list,
    digits: digitsOf(field),
    // No statement changes a key.
    rights: isKey ? 'SI' : 'SIU',
    ...(isLeftOut(field) ? { leftOut: name } : {}),
  }
}

/**
 * Whether Prisma leaves the column out of an insert. Prisma fills in `@updatedAt` and the defaults that it knows, and the caller has to give a
 * required field.
 */
function isLeftOut({ nullable, list, default: known, updatedAt }: Field): boolean {
  return (nullable || list) && known === undefined && updatedAt !== true
}

function wantedLedgers(models: readonly Model[]): WantedTable[] {
  const text = { type: 'text', typeSchema: undefined, typeName: undefined, labels: [], list: false, digits: 0 }
  return ledgersOf(models).map(({ ledger }) => ({
    subject: 'The ledger',
    ...namesOf(ledger),
    keys: [ledger.shard],
    deletes: false,
    columns: [
      { ...text, name: ledger.shard, rights: 'SI' },
      { ...text, name: ledger.batch, rights: 'SIU' },
      { ...text, name: ledger.recent, list: true, rights: 'SIU' },
    ],
  }))
}

function namesOf({ schema, table }: TableName): Pick<WantedTable, 'quoted' | 'schema' | 'name'> {
  return { quoted: qualify(schema, table), schema, name: table }
}
