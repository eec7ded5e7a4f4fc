/**
 * Finds out which rows of a refused batch the database refuses, and why. It changes nothing: one transaction tries each row in a subtransaction,
 * and takes everything back. What it finds is advice. The ledger decides what is written.
 *
 * The transaction runs a DO block. A DO block has no parameters, so the rows are passed to it as settings of the transaction: an array of texts for
 * each column. If a row fails and other rows then succeed, the failed row is tried again, because it may need them, as a child needs its parent.
 */
import type { PersistError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import type { RowChange, SqlClient } from '../database.js'
import { toPersistError } from '../outcome.js'
import { classify } from './sqlstate.js'
import type { StatementBuilder } from './statement.js'

/** The highest number of columns of all parts together. Each column needs a setting and a variable. */
const MAX_COLUMNS = 2000
/** The number of parameters for the ledger. They come before the parameters of the columns. */
const FENCE_PARAMETERS = 3
const PRISMA_PROMISE = 'PrismaPromise'

/** The rows of one shape of change. */
interface Part {
  /** The statement for one row. */
  readonly sql: string
  /** The statement that deletes the row which is replaced. It runs before `sql`; empty if no row is replaced. */
  readonly deletes: string
  /** The values of all rows, an array for each column. */
  readonly columns: readonly string[]
  /** The position of each row's change among all changes. */
  readonly positions: readonly number[]
}

/** Number of the row, from 1 · SQLSTATE · constraint, if the catalog has one of this name · column · whether a row-level security policy refuses it. */
type Finding = [number, string, string | null, string, boolean]

/**
 * @param timeout ms. If the server has a limit of its own, that one counts instead
 * @returns why the database refuses a row, by position; undefined: the client cannot run a trial
 * @throws whatever stops the trial before its end
 */
export async function tryRows(
  client: SqlClient,
  builder: StatementBuilder,
  changes: readonly RowChange[],
  model: Model,
  timeout: number,
): Promise<ReadonlyMap<number, PersistError> | undefined> {
  const parts = partsOf(builder, changes)
  const settings = parts.flatMap((part, p) => part.columns.map((text, c) => ({ name: nameOf(p, c), text })))
  if (client.$transaction === undefined || settings.length > MAX_COLUMNS) return undefined
  const first = client.$queryRawUnsafe(settingsText(settings), String(timeout), ...settings.map(({ text }) => text))
  // A client that is not Prisma's may send the statement at once, and not in the transaction.
  if ((first as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] !== PRISMA_PROMISE) {
    await first
    return undefined
  }
  const rest = [blockText(parts), `select current_setting('write_behind.findings') as findings`].map((sql) => client.$queryRawUnsafe(sql))
  const results = (await client.$transaction([first, ...rest] as never)) as { findings: string }[][]
  const findings = JSON.parse(results.at(-1)?.[0]?.findings as string) as Finding[]
  const positions = parts.flatMap((part) => part.positions)
  // A trigger may give any text as the name of a column.
  const columns = new Set(model.fields.map(({ column }) => column))
  return new Map(
    findings.map(([row, originalCode, constraint, column, byPolicy]) => {
      const name = constraint ?? (columns.has(column) ? column : undefined)
      const message = byPolicy ? 'row-level security policy' : ''
      return [positions[row - 1] as number, toPersistError(model.name, classify({ originalCode, constraint: name, message }))]
    }),
  )
}

function partsOf(builder: StatementBuilder, changes: readonly RowChange[]): Part[] {
  const groups = new Map<string, number[]>()
  for (const [position, { change }] of changes.entries()) {
    const { kind, regular, pattern } = 'copy' in change ? change.copy : change
    const id = `${kind} ${regular} ${pattern}`
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [position])
    else group.push(position)
  }
  return [...groups.values()].map((positions, part) => {
    const group = positions.map((position) => changes[position] as RowChange)
    const { sql, columns, deletes } = builder.build(group, false)
    const forOne = (text: string) => text.replace(/\$(\d+)::/g, (_, n) => `${argument(part, Number(n) - 1 - FENCE_PARAMETERS)}::`)
    // Both statements begin with the columns of the key.
    return { sql: forOne(sql), deletes: deletes === undefined ? '' : forOne(deletes.sql), columns, positions }
  })
}

/** Stands in the block for a parameter of the statement: an array of one element. */
function argument(part: number, column: number): string {
  return column < 0 ? 'null' : `(array[${nameOf(part, column)}[write_behind_n]])`
}

function nameOf(part: number, column: number): string {
  return `write_behind_${part}_${column}`
}

function settingsText(settings: readonly { name: string }[]): string {
  const limit = `(select length(set_config('statement_timeout', $1, true)) where current_setting('statement_timeout') = '0')`
  const each = settings.map(({ name }, n) => `length(set_config('write_behind.${name}', $${n + 2}, true))`)
  return `select coalesce(${limit}, 0) + ${each.join(' + ')} as size`
}

function blockText(parts: readonly Part[]): string {
  const arrays = parts.flatMap((part, p) =>
    part.columns.map((_, c) => `  ${nameOf(p, c)} text[] := current_setting('write_behind.${nameOf(p, c)}');\n`),
  )
  let offset = 0
  const loops = parts.map(({ sql, deletes, positions: { length } }) => {
    const loop = loopText(deletes === '' ? [sql] : [deletes, sql], offset, length)
    offset += length
    return loop
  })
  return `do $write_behind$
declare
${arrays.join('')}  write_behind_n int;
  write_behind_at int;
  write_behind_result record;
  write_behind_moved boolean;
  write_behind_states text[] := array_fill(null::text, array[${offset}]);
  write_behind_constraints text[] := write_behind_states;
  write_behind_columns text[] := write_behind_states;
  write_behind_policies boolean[] := write_behind_states;
  write_behind_state text;
  write_behind_constraint text;
  write_behind_column text;
  write_behind_message text;
begin
  begin
    set constraints all immediate;
    loop
      write_behind_moved := false;
${loops.join('')}      exit when not write_behind_moved;
    end loop;
    raise exception sqlstate 'WBEND';
  exception when sqlstate 'WBEND' then null;
  end;
  perform set_config('write_behind.findings', (${findingsText(offset)}), true);
end $write_behind$`
}

/** Tries the rows of a part that have not succeeded yet. A row that has succeeded has an empty state. */
function loopText(statements: readonly string[], offset: number, rows: number): string {
  return `      for write_behind_row in 1..${rows} loop
        write_behind_n := write_behind_row;
        write_behind_at := write_behind_n + ${offset};
        continue when write_behind_states[write_behind_at] = '';
        begin
          ${statements.map((sql) => `${sql} into write_behind_result;`).join('\n')}
          write_behind_states[write_behind_at] := '';
          write_behind_moved := true;
        exception when others or assert_failure then
          get stacked diagnostics write_behind_state = returned_sqlstate, write_behind_constraint = constraint_name,
            write_behind_column = column_name, write_behind_message = message_text;
          write_behind_states[write_behind_at] := write_behind_state;
          write_behind_constraints[write_behind_at] := write_behind_constraint;
          write_behind_columns[write_behind_at] := write_behind_column;
          write_behind_policies[write_behind_at] := position('row-level security policy' in write_behind_message) > 0;
        end;
      end loop;
`
}

/** Names a constraint only if the catalog has it, because a trigger may give any text as the name of a constraint. */
function findingsText(rows: number): string {
  const isThere = `exists (select from pg_catalog.pg_constraint where conname = f.name) or exists (select from pg_catalog.pg_class where relname = f.name)`
  return `select coalesce(json_agg(json_build_array(f.n, f.state, case when ${isThere} then f.name end, f.col, f.policy)), '[]')::text
    from (select n, write_behind_states[n] as state, write_behind_constraints[n] as name, write_behind_columns[n] as col,
      write_behind_policies[n] as policy from generate_series(1, ${rows}) n) f
    where f.state <> ''`
}
