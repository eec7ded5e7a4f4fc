/**
 * The one statement of a batch. It moves the ledger and, only if that moved, writes the rows: a part for each shape of change, its rows
 * passed as one JSON parameter. Identifiers come from the Prisma schema, quoted; values are bound.
 */

import { counterStart, isCounter, plainFields, type RecordChange, startOf } from '../schema/change.js'
import { NULL } from '../schema/codec.js'
import { splitKey } from '../schema/key.js'
import type { Field, Model } from '../schema/model.js'

export interface RowChange {
  readonly key: string
  readonly change: RecordChange
}

export interface Statement {
  readonly sql: string
  /** Parameters from the fourth on: the rows of each part. */
  readonly rows: readonly string[]
}

/** Batches that a ledger row remembers besides the last one. */
const RECENT = 16
/** Statements kept; a model that meets more combinations of shapes builds some anew. */
const MOST_KEPT = 500

/** Rows of one shape of change. */
interface Part {
  readonly id: string
  readonly change: RecordChange
  readonly rows: string[]
}

interface Columns {
  readonly field: Field
  /** `"column"` */
  readonly quoted: string
  /** Name in the JSON rows of the inserted value (or the key), and of the change. */
  readonly inserted: string
  readonly changed: string
  toJson(text: string): string
}

/** A column that is changed, and how. */
interface Changed {
  readonly column: Columns
  readonly set: boolean
}

/** Builds the statements of one model; a statement's text depends only on the shapes in it, and is kept. */
export class StatementBuilder {
  readonly #model: Model
  readonly #keys: readonly Columns[]
  readonly #plain: readonly Columns[]
  readonly #texts = new Map<string, string>()

  constructor(model: Model) {
    this.#model = model
    const columns = new Map(
      model.fields.map((field, n) => [
        field.name,
        { field, quoted: quote(field.column), inserted: `i${n}`, changed: `c${n}`, toJson: jsonEncoder(field) },
      ]),
    )
    this.#keys = model.key.map((name) => columns.get(name) as Columns)
    this.#plain = plainFields(model).map(({ name }) => columns.get(name) as Columns)
  }

  /** @param changes at most one per record, sorted by key: rows are locked in this order. */
  build(changes: readonly RowChange[]): Statement {
    const parts = new Map<string, Part>()
    for (const { key, change } of changes) {
      const id = `${change.regular ? change.kind : 'irregular'} ${change.pattern}`
      let part = parts.get(id)
      if (part === undefined) {
        part = { id, change, rows: [] }
        parts.set(id, part)
      }
      part.rows.push(this.#row(key, change))
    }
    const ordered = [...parts.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    return { sql: this.#kept(ordered), rows: ordered.map((part) => `[${part.rows.join()}]`) }
  }

  /** The rows of some keys, and the ledger of the same snapshot. Parameters: ledger's shard, the keys as JSON rows. */
  snapshotText(): string {
    const { ledger, table } = this.#model
    const found = this.#keys.map(({ quoted, inserted }) => `t.${quoted} = k.${inserted}`).join(' and ')
    const values = this.#plain.map(({ quoted, inserted }) => `t.${quoted} as ${inserted}`)
    return `select (select ${quote(ledger.batch)} from ${ledger.table} where ${quote(ledger.shard)} = $1::text) as ledger, k.n as n, t.${this.#keys[0]?.quoted} is not null as found${values.map((value) => `, ${value}`).join('')}
from json_to_recordset($2::text::json) as k(n int, ${this.#definitions(this.#keys)}) left join ${table} t on ${found}`
  }

  snapshotRows(keys: readonly string[]): string {
    return `[${keys.map((key, n) => `{"n":${n},${this.#keyMembers(key)}}`).join()}]`
  }

  /** Values of a row of the snapshot, by field; the key's are left out. */
  snapshotFields(): readonly { field: Field; alias: string }[] {
    return this.#plain.map(({ field, inserted }) => ({ field, alias: inserted }))
  }

  #kept(parts: readonly Part[]): string {
    const id = parts.map((part) => part.id).join()
    const known = this.#texts.get(id)
    if (known !== undefined) return known
    if (this.#texts.size === MOST_KEPT) this.#texts.clear()
    const sql = this.#text(parts)
    this.#texts.set(id, sql)
    return sql
  }

  #row(key: string, { kind, insert, pattern, values, regular }: RecordChange): string {
    let row = `{${this.#keyMembers(key)}`
    for (let n = 0; n < insert.length; n++) {
      const { inserted, toJson } = this.#plain[n] as Columns
      row += `,"${inserted}":${toJson(insert[n] as string)}`
    }
    if (kind !== 'update' && regular) return `${row}}`
    let next = 0
    for (let n = 0; n < pattern.length; n++) {
      if (pattern[n] === '.') continue
      const { changed, toJson } = this.#plain[n] as Columns
      row += `,"${changed}":${toJson(values[next++] as string)}`
    }
    return `${row}}`
  }

  #keyMembers(key: string): string {
    return splitKey(key)
      .map((text, n) => `"${this.#keys[n]?.inserted}":${JSON.stringify(text)}`)
      .join()
  }

  #text(parts: readonly Part[]): string {
    const { table, shard, batch, recent } = quoteLedger(this.#model)
    const bodies = parts.map((part, n) => this.#part(part, n))
    const written = bodies.flatMap(({ written: names }) => names).map((name) => `(select count(*) from ${name})`)
    const checks = bodies.flatMap(({ check }) => (check === undefined ? [] : [check]))
    return `with fence as (
  insert into ${table} as l (${shard}, ${batch}, ${recent})
  select $1::text, $2::text, '{}' where $3::text is null or exists (select from ${table} where ${shard} = $1::text)
  on conflict (${shard}) do update set ${batch} = excluded.${batch}, ${recent} = (array_prepend(l.${batch}, l.${recent}))[1:${RECENT}]
  where l.${batch} is not distinct from $3::text and not ($2::text = any (l.${recent})) returning 1)${bodies.map(({ sql }) => `,\n${sql}`).join('')}
select (select count(*)::int from fence) as moved, (${['0', ...written].join(' + ')})::int as written${checks.map((check, n) => `, ${check} as check${n}`).join('')}`
  }

  #part({ change }: Part, n: number): { sql: string; written: string[]; check?: string } {
    const source = `rows${n}`
    const changed = this.#changed(change)
    const rows = this.#rows(change, changed, n)
    const write = (sql: string) => ({ sql: `${rows},\nwrite${n} as (${sql} returning 1)`, written: [`write${n}`] })
    switch (change.kind) {
      case 'delete':
        return write(`delete from ${this.#model.table} t using ${source} r where ${this.#matches()}`)
      case 'update':
        return write(this.#update(changed, source))
      case 'replace':
        return write(
          `${this.#insert(source)} ${onConflict(
            this.#keys,
            this.#plain.map((column) => this.#excluded({ column, set: true })),
          )}`,
        )
      case 'upsert':
        if (!change.regular) return this.#irregularPart(rows, source, changed, n)
        return write(
          `${this.#insert(source)} ${onConflict(
            this.#keys,
            changed.map((each) => this.#excluded(each)),
          )}`,
        )
    }
  }

  #changed({ pattern }: RecordChange): Changed[] {
    return [...pattern].flatMap((mark, n) => (mark === '.' ? [] : [{ column: this.#plain[n] as Columns, set: mark === '=' }]))
  }

  #rows({ kind, insert, regular }: RecordChange, changed: readonly Changed[], n: number): string {
    const columns = insert.length > 0 ? [...this.#keys, ...this.#plain] : this.#keys
    const definitions = [this.#definitions(columns)]
    if (kind === 'update' || !regular) definitions.push(...changed.map(({ column }) => `${column.changed} ${jsonType(column.field)}`))
    return `rows${n} as materialized (select * from json_to_recordset($${n + 4}::text::json) as r(${definitions.join(', ')}) where exists (select from fence))`
  }

  /**
   * Insert and change differ: rows that are missing are inserted, those of the snapshot updated. A row that somebody else inserted
   * since the snapshot is neither; the check then fails the statement (SQLSTATE 21000), and it is tried again.
   */
  #irregularPart(rows: string, source: string, changed: readonly Changed[], n: number) {
    const missing = `not exists (select from ${this.#model.table} t where ${this.#matches()})`
    const insert = `insert${n} as (${this.#insert(source)} where ${missing} on conflict do nothing returning 1)`
    const counts = [`insert${n}`]
    const parts = [rows, insert]
    if (changed.length > 0) {
      parts.push(`write${n} as (${this.#update(changed, source)} returning 1)`)
      counts.push(`write${n}`)
    }
    const total = counts.map((name) => `(select count(*) from ${name})`).join(' + ')
    const check = `case when ${total} <> (select count(*) from ${source}) then (select 1 from generate_series(1, 2)) end`
    return { sql: parts.join(',\n'), written: counts, check }
  }

  #insert(source: string): string {
    const columns = [...this.#keys, ...this.#plain]
    return `insert into ${this.#model.table} as t (${columns.map(({ quoted }) => quoted).join(', ')}) select ${columns
      .map(({ field, inserted }) => fromJson(field, `r.${inserted}`))
      .join(', ')} from ${source} r`
  }

  #update(changed: readonly Changed[], source: string): string {
    const sets = changed.map(({ column: { field, quoted, changed: alias }, set }) => {
      return `${quoted} = ${set ? '' : `t.${quoted} + `}${fromJson(field, `r.${alias}`)}`
    })
    return `update ${this.#model.table} t set ${sets.join(', ')} from ${source} r where ${this.#matches()}`
  }

  #excluded({ column: { field, quoted }, set }: Changed): string {
    if (set) return `${quoted} = excluded.${quoted}`
    const start = BigInt(counterStart(startOf(field)))
    if (start === 0n) return `${quoted} = t.${quoted} + excluded.${quoted}`
    return `${quoted} = t.${quoted}::numeric + excluded.${quoted} - ${start}`
  }

  #matches(): string {
    return this.#keys.map(({ quoted, inserted }) => `t.${quoted} = r.${inserted}`).join(' and ')
  }

  #definitions(columns: readonly Columns[]): string {
    return columns.map(({ field, inserted }) => `${inserted} ${jsonType(field)}`).join(', ')
  }
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

export function quoteLedger({ ledger }: Model): { table: string; shard: string; batch: string; recent: string } {
  return { table: ledger.table, shard: quote(ledger.shard), batch: quote(ledger.batch), recent: quote(ledger.recent) }
}

function onConflict(keys: readonly Columns[], sets: readonly string[]): string {
  const target = `on conflict (${keys.map(({ quoted }) => quoted).join(', ')})`
  return sets.length === 0 ? `${target} do nothing` : `${target} do update set ${sets.join(', ')}`
}

/** Json travels as text, so that a JSON null stays apart from a NULL; counters as bigint, since a sum may leave the column's type. */
function jsonType(field: Field): string {
  const type = field.type === 'Json' ? 'text' : isCounter(field) ? 'bigint' : field.sqlType
  return field.list ? `${type}[]` : type
}

function fromJson(field: Field, expression: string): string {
  if (field.type !== 'Json') return expression
  return `${expression}::${field.sqlType}${field.list ? '[]' : ''}`
}

function jsonEncoder(field: Field): (text: string) => string {
  if (field.list) return (text) => text
  const isFree = field.type === 'String' || field.type === 'Json' || field.type === 'Enum' || field.type === 'Bytes'
  if (isFree) return (text) => (text === NULL ? 'null' : JSON.stringify(text))
  return (text) => (text === NULL ? 'null' : `"${text}"`)
}
