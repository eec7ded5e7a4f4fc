import type { FoundColumn, FoundTable, WantedColumn, WantedTable } from './catalog.js'
import { quote } from './quote.js'

const MIGRATE = 'apply the migrations (prisma migrate deploy)'

const KINDS: Readonly<Record<string, string>> = { m: 'a materialized view', f: 'a foreign table', v: 'a view that cannot be written' }

/** Says what is missing and what to do, in one sentence for each problem. */
export function describeProblems(wanted: WantedTable, found: FoundTable): string[] {
  const { subject, quoted } = wanted
  const { kind, user, schema } = found
  if (kind === null) return [`${subject}: there is no table ${quoted} ${whereabouts(wanted, found)}`]
  const role = quote(user)
  if (found.isSchemaOpen === false)
    return [`${subject}: the role ${role} may not use the schema of ${quoted}; run GRANT USAGE ON SCHEMA ${quote(schema ?? '')} TO ${role}`]
  if (kind in KINDS && (kind !== 'v' || found.isWritable !== true))
    return [
      `${subject}: expected ${quoted} to be a table, found ${KINDS[kind]}; give the model a table (@@map), or leave it out of the policies`,
    ]
  const problems = wanted.columns.flatMap((column, n) => {
    const actual = found.columns[n] as FoundColumn
    return [...describeColumn(wanted, column, actual), ...describeFilling(wanted, column, actual)]
  })
  if (found.hasKey === false) {
    const columns = wanted.keys.map(quote).join(', ')
    problems.push(
      `${subject}: ${quoted} has no unique index on exactly ${columns}, valid, not deferrable and without a condition, which ON CONFLICT needs; ${MIGRATE}, or run ALTER TABLE ${quoted} ADD PRIMARY KEY (${columns})`,
    )
  }
  const rights = missingRights(wanted, found)
  if (rights.length > 0)
    problems.push(`${subject}: the role ${role} lacks the right to ${quoted}; run GRANT ${rights.join(', ')} ON ${quoted} TO ${role}`)
  if (found.withoutPolicy.length > 0)
    problems.push(
      `${subject}: row-level security of ${quoted} has no policy that lets the role ${role} ${found.withoutPolicy.join(', ')}; run CREATE POLICY, or use a role that it does not hold for`,
    )
  return problems
}

function whereabouts({ schema }: WantedTable, { path, elsewhere }: FoundTable): string {
  if (schema !== undefined || elsewhere.length === 0) return `in the database; ${MIGRATE}`
  return `on the search_path (${path}), but in the schema ${elsewhere.map(quote).join(', ')}; set the search_path of the connection, grant USAGE on the schema, or ${MIGRATE}`
}

function describeColumn({ subject, quoted }: WantedTable, wanted: WantedColumn, found: FoundColumn): string[] {
  const column = `column ${quote(wanted.name)} of ${quoted}`
  if (!found.found) return [`${subject}: there is no ${column}; ${MIGRATE}`]
  if (found.missingLabels.length > 0) {
    const labels = found.missingLabels.map((label) => `'${label.replaceAll("'", "''")}'`)
    const type = quote(wanted.typeName ?? '')
    return [
      `${subject}: the enum ${type} of ${column} lacks ${labels.join(', ')}; ${MIGRATE}, or run ALTER TYPE ${type} ADD VALUE ${labels[0]}`,
    ]
  }
  if (found.fits === true && digitsIn(found.type ?? '') >= wanted.digits) return []
  const digits = wanted.digits > 0 && found.fits === true ? ` with ${wanted.digits} digits behind the point` : ''
  const expected = `${wanted.type ?? `the enum ${quote(wanted.typeName ?? '')}`}${wanted.list ? '[]' : ''}${digits}`
  return [`${subject}: expected ${column} to be ${expected}, found ${found.type}; ${MIGRATE}, or correct the schema`]
}

/**
 * Finds columns that Prisma leaves out of an insert and the database fills. The library's statement names every column, and would write NULL there.
 */
function describeFilling({ subject, quoted }: WantedTable, { name, leftOut }: WantedColumn, { filled }: FoundColumn): string[] {
  if (leftOut === undefined || filled === null) return []
  const field = `${subject}.${leftOut}`
  const column = `column ${quote(name)} of ${quoted}`
  const omit = `leave the field out by omit = ["${field}"] in the generator block`
  if (filled === 'computed')
    return [
      `${field}: ${column} is GENERATED ALWAYS, so that no insert may name it; ${omit}, or give it @default(dbgenerated()) in the schema`,
    ]
  return [
    `${field}: ${column} has a default of the database that the schema does not know, and an insert would write NULL over it; give the field that default in the schema (@default, or @default(dbgenerated()) for an expression), drop it, or ${omit}`,
  ]
}

/** Reads the digits out of `numeric(12,2)` or `timestamp(0) without time zone`. Without a modifier there is no limit, and other types have none. */
function digitsIn(type: string): number {
  const digits = /^(?:numeric\(\d+,(-?\d+)\)|timestamp\((\d+)\))/.exec(type)
  return digits === null ? Number.POSITIVE_INFINITY : Number(digits[1] ?? digits[2])
}

/** `SELECT ("a", "b")`. The text names the whole table if all columns that need the right lack it. */
function missingRights(wanted: WantedTable, { columns, mayDelete }: FoundTable): string[] {
  const rights = ['SELECT', 'INSERT', 'UPDATE'].flatMap((right) => {
    const lacking = columns.filter(({ denied }) => denied.includes(right)).map(({ name }) => quote(name))
    const needing = wanted.columns.filter((column) => column.rights.includes(right.charAt(0)))
    if (lacking.length === 0) return []
    return [lacking.length === needing.length ? right : `${right} (${lacking.join(', ')})`]
  })
  return mayDelete === false ? [...rights, 'DELETE'] : rights
}
