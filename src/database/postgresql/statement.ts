/**
 * The one statement of a batch. Its first part moves the ledger. The other parts write the rows, and only if the ledger moved: one part for each
 * shape of change, whose rows are passed as one array for each column. Identifiers come from the Prisma schema and are quoted; values are bound.
 */
import {
  type ChangeShape,
  counterStart,
  isChanging,
  isInserting,
  type Mark,
  operandsOf,
  type RecordChange,
  startOf,
} from '../../change/change.js'
import { PersistError } from '../../errors.js'
import { splitKey } from '../../model/key.js'
import type { Model } from '../../model/model.js'
import { isCounter } from '../../model/scalars.js'
import type { Prepared, RowChange } from '../database.js'
import { MAX_RECENT } from '../ledger.js'
import { type Column, columnsOf, quoteLedger } from './columns.js'
import { quoteTable } from './quote.js'
import { type RowColumn, Rows } from './rows.js'
import type { TimeZones } from './time-zone.js'
import { cast } from './types.js'

export interface Statement extends Prepared {
  readonly sql: string
  /** Parameters from the fourth on: the columns of each part's rows. */
  readonly columns: readonly string[]
  /** The number of rows that are written whatever is in the table. The statement counts the other rows. */
  readonly upserted: number
  /** The statement that deletes the rows which this statement replaces. It is sent before this one. */
  readonly deletes: Statement | undefined
}

const DELETION: RecordChange = { kind: 'delete', pattern: '', regular: true, insert: [], values: [] }

/** The number of texts of statements that are kept. A model with more combinations of shapes builds some texts again. */
const MAX_KEPT = 500

/** The rows of one shape of change. */
interface Part {
  readonly id: string
  readonly shape: ChangeShape
  readonly rows: Rows
}

/** A column that a change touches, and how. */
interface Changed {
  readonly column: Column
  readonly mark: Mark
}

/** The condition of every part that writes rows. */
const FENCED = 'exists (select from fence)'

interface PartText {
  readonly sql: string
  /** Names of the subqueries that return one row for each row written. */
  readonly written: readonly string[]
  readonly check?: string
}

/** Replaces the part for the ledger if a statement is sent only once. It is always true. */
const OPEN_FENCE = 'select 1 where coalesce($1::text, $2::text, $3::text) is null'

/** Builds the statements of one model. The text of a statement depends only on the shapes in it, and so is kept. */
export class StatementBuilder {
  readonly #model: Model
  readonly #table: string
  readonly #keys: readonly Column[]
  readonly #plain: readonly Column[]
  readonly #texts = new Map<string, string>()
  readonly #zones: Pick<TimeZones, 'keeps'>

  constructor(model: Model, zones: Pick<TimeZones, 'keeps'> = { keeps: false }) {
    this.#zones = zones
    this.#model = model
    this.#table = quoteTable(model)
    const { keys, plain } = columnsOf(model)
    this.#keys = keys
    this.#plain = plain
  }

  /**
   * @param changes at most one per record, sorted by key, because rows are locked in this order
   * @param ledger whether the ledger decides if the rows are written. Otherwise its three parameters have to be null
   * @throws PersistError if a key is not of this model
   */
  build(changes: readonly RowChange[], ledger = true): Statement {
    const parts = new Map<string, Part>()
    const replaced: RowChange[] = []
    let upserted = 0
    let part: Part | undefined
    for (const { key, change } of changes) {
      const shape = 'copy' in change ? change.copy : change
      if (part?.shape !== shape) part = this.#partOf(shape, parts)
      if (isUpsert(shape)) upserted++
      if (shape.kind === 'replace') replaced.push({ key, change: DELETION })
      part.rows.add(this.#keyTexts(key), change)
    }
    const ordered = [...parts.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    const columns = ordered.flatMap((part) => part.rows.arrays())
    const deletes = replaced.length > 0 ? this.build(replaced, ledger) : undefined
    return { sql: this.#kept(ordered, ledger), columns, upserted, deletes }
  }

  #keyTexts(key: string): string[] {
    const texts = splitKey(key)
    if (texts.length === this.#keys.length) return texts
    // The record was written when the model had another key.
    const { name: model } = this.#model
    const message = `${model}: expected a key of ${this.#keys.length} parts, got one of ${texts.length}`
    throw new PersistError('REFUSED', message, undefined, { model, key })
  }

  #partOf(shape: ChangeShape, parts: Map<string, Part>): Part {
    const id = `${shape.regular ? shape.kind : 'irregular'} ${shape.pattern}`
    let part = parts.get(id)
    if (part === undefined) {
      part = { id, shape, rows: new Rows(this.#columnsOf(shape), this.#zones.keeps) }
      parts.set(id, part)
    }
    return part
  }

  #kept(parts: readonly Part[], ledger: boolean): string {
    const id = `${ledger} ${parts.map((part) => part.id).join()}`
    const known = this.#texts.get(id)
    if (known !== undefined) return known
    if (this.#texts.size === MAX_KEPT) this.#texts.clear()
    const sql = this.#text(parts, ledger ? this.#fence() : OPEN_FENCE)
    this.#texts.set(id, sql)
    return sql
  }

  /** The columns of the key, then the columns for the texts of a change, in the order of textsOf. */
  #columnsOf(shape: ChangeShape): RowColumn[] {
    const inserted = isInserting(shape) ? [...this.#keys, ...this.#plain] : this.#keys
    const changed = isChanging(shape) ? this.#changed(shape) : []
    return [
      ...inserted.map(({ field, inserted }) => ({ field, alias: inserted })),
      ...changed.flatMap(({ column: { field, operands }, mark }) =>
        operandsOf(mark, field).map((operand) => ({ field, alias: operands[operand] })),
      ),
    ]
  }

  #text(parts: readonly Part[], fence: string): string {
    let parameter = 4
    const bodies = parts.map((part, n) => {
      const first = parameter
      parameter += part.rows.width
      return this.#part(part, n, first)
    })
    const written = bodies.flatMap(({ written: names }) => names).map((name) => `(select count(*) from ${name})`)
    const checks = bodies.flatMap(({ check }) => (check === undefined ? [] : [check]))
    return `with fence as (${fence})${bodies.map(({ sql }) => `,\n${sql}`).join('')}
select (select count(*)::int from fence) as moved, (${['0', ...written].join(' + ')})::int as written${checks.map((check, n) => `, ${check} as check${n}`).join('')}`
  }

  #fence(): string {
    const { table, shard, batch, recent } = quoteLedger(this.#model.ledger)
    return `
  insert into ${table} as l (${shard}, ${batch}, ${recent})
  select $1::text, $2::text, '{}' where $3::text is null or exists (select from ${table} where ${shard} = $1::text)
  on conflict (${shard}) do update set ${batch} = excluded.${batch}, ${recent} = (array_prepend(l.${batch}, l.${recent}))[1:${MAX_RECENT}]
  where l.${batch} is not distinct from $3::text and not ($2::text = any (l.${recent})) returning 1`
  }

  #part(part: Part, n: number, first: number): PartText {
    const { shape } = part
    const rows = part.rows.from(first)
    const name = `write${n}`
    const counted = (sql: string) => ({ sql: `${name} as (${sql} and ${FENCED} returning 1)`, written: [name] })
    const upserts = (sets: readonly Changed[]) => ({
      sql: `${name} as (${this.#insert(rows, part.rows)} where ${FENCED} ${onConflict(
        this.#keys,
        sets.map((each) => this.#excluded(each)),
      )})`,
      written: [],
    })
    switch (shape.kind) {
      case 'delete':
        return counted(`delete from ${this.#table} t using ${rows} where ${this.#matches()}`)
      case 'update':
        return counted(this.#update(this.#changed(shape), rows, part.rows))
      case 'insert':
        return { sql: `${name} as (${this.#insert(rows, part.rows)} where ${FENCED} returning 1)`, written: [name] }
      case 'replace':
        return upserts(this.#plain.map((column) => ({ column, mark: '=' })))
      case 'upsert':
        return isUpsert(shape) ? upserts(this.#changed(shape)) : this.#irregularPart(part.rows, rows, this.#changed(shape), n)
    }
  }

  #changed({ pattern }: ChangeShape): Changed[] {
    return [...pattern].flatMap((mark, n) => (mark === '.' ? [] : [{ column: this.#plain[n] as Column, mark: mark as Mark }]))
  }

  /**
   * Serves changes whose inserted values and changed values do not follow from each other. Missing rows are inserted, and the rows in the statement's
   * snapshot are updated. A row that somebody else inserted after the snapshot is neither inserted nor updated. The check then makes the statement
   * fail with SQLSTATE 21000, and the statement is sent again.
   */
  #irregularPart(columns: Rows, rows: string, changed: readonly Changed[], n: number): PartText {
    const source = `rows${n} r`
    const missing = `not exists (select from ${this.#table} t where ${this.#matches()})`
    const insert = `insert${n} as (${this.#insert(source, columns)} where ${missing} ${onConflict(this.#keys, [])} returning 1)`
    const counts = [`insert${n}`]
    const parts = [`rows${n} as materialized (select * from ${rows} where ${FENCED})`, insert]
    if (changed.length > 0) {
      parts.push(`write${n} as (${this.#update(changed, source, columns)} returning 1)`)
      counts.push(`write${n}`)
    }
    const total = counts.map((name) => `(select count(*) from ${name})`).join(' + ')
    const check = `case when ${total} <> (select count(*) from rows${n}) then (select 1 from generate_series(1, 2)) end`
    return { sql: parts.join(',\n'), written: counts, check }
  }

  /** @param source a FROM item named r */
  #insert(source: string, rows: Rows): string {
    const columns = [...this.#keys, ...this.#plain]
    return `insert into ${this.#table} as t (${columns.map(({ quoted }) => quoted).join(', ')}) select ${columns
      .map(({ field, inserted }) => cast(field, rows.valueOf(inserted)))
      .join(', ')} from ${source}`
  }

  #update(changed: readonly Changed[], source: string, rows: Rows): string {
    const sets = changed.map((each) => `${each.column.quoted} = ${changedValue(each, rows)}`)
    return `update ${this.#table} t set ${sets.join(', ')} from ${source} where ${this.#matches()}`
  }

  #excluded({ column: { field, quoted }, mark }: Changed): string {
    if (mark === '=') return `${quoted} = excluded.${quoted}`
    if (mark === '^') return `${quoted} = greatest(t.${quoted}, excluded.${quoted})`
    if (mark === '_') return `${quoted} = least(t.${quoted}, excluded.${quoted})`
    const start = BigInt(counterStart(startOf(field)))
    if (start === 0n) return `${quoted} = t.${quoted} + excluded.${quoted}`
    return `${quoted} = t.${quoted}::numeric + excluded.${quoted} - ${start}`
  }

  #matches(): string {
    return this.#keys.map(({ quoted, inserted }) => `t.${quoted} = r.${inserted}`).join(' and ')
  }
}

/** The new value of a column in a row that is there. GREATEST and LEAST ignore NULL, so that a NULL becomes the inner bound. */
function changedValue({ column: { field, quoted, operands }, mark }: Changed, rows: Rows): string {
  if (mark === '=') return cast(field, rows.valueOf(operands.value))
  const moved = isCounter(field) ? `t.${quoted} + ${rows.valueOf(operands.amount)}` : `t.${quoted}`
  const [lower, upper] = [rows.valueOf(operands.lower), rows.valueOf(operands.upper)]
  switch (mark) {
    case '^':
      return `greatest(${moved}, ${lower})`
    case '_':
      return `least(${moved}, ${upper})`
    case '[':
      return `least(greatest(${moved}, ${lower}), ${upper})`
    case ']':
      return `greatest(least(${moved}, ${upper}), ${lower})`
    default:
      return moved
  }
}

function onConflict(keys: readonly Column[], sets: readonly string[]): string {
  const target = `on conflict (${keys.map(({ quoted }) => quoted).join(', ')})`
  return sets.length === 0 ? `${target} do nothing` : `${target} do update set ${sets.join(', ')}`
}

function isUpsert({ kind, regular }: ChangeShape): boolean {
  return kind === 'replace' || (kind === 'upsert' && regular)
}
