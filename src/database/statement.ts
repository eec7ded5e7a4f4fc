/**
 * The one statement of a batch. It moves the ledger and, only if that moved, writes the rows: a part for each shape of change, its rows
 * passed as one JSON parameter. Identifiers come from the Prisma schema, quoted; values are bound.
 */

import { type FieldChange, isCounter, type RecordChange, startOf } from '../schema/change.js'
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
const INT32 = 2n ** 31n
const INT64 = 2n ** 63n

interface Part {
  readonly shape: string
  readonly change: RecordChange
  readonly irregular: boolean
  readonly rows: string[]
}

interface Columns {
  readonly field: Field
  /** `"column"` */
  readonly quoted: string
  /** Name in the JSON rows of the inserted value (or the key), and of the change. */
  readonly inserted: string
  readonly changed: string
}

/** Builds the statements of one model; a statement's text depends only on the shapes in it, and is kept. */
export class StatementBuilder {
  readonly #model: Model
  readonly #keys: readonly Columns[]
  readonly #plain: readonly Columns[]
  readonly #byName: ReadonlyMap<string, Columns>
  readonly #texts = new Map<string, string>()

  constructor(model: Model) {
    this.#model = model
    const columns = model.fields.map((field, n) => ({ field, quoted: quote(field.column), inserted: `i${n}`, changed: `c${n}` }))
    this.#byName = new Map(columns.map((column) => [column.field.name, column]))
    this.#keys = model.key.map((name) => this.#column(name))
    this.#plain = columns.filter(({ field }) => !model.key.includes(field.name))
  }

  /** @param changes at most one per record, sorted by key: rows are locked in this order. */
  build(changes: readonly RowChange[]): Statement {
    const parts = new Map<string, Part>()
    for (const { key, change } of changes) {
      const irregular = change.kind === 'upsert' && !this.#isRegular(change.insert, change.changes)
      const shape = shapeOf(change, irregular)
      const part = parts.get(shape) ?? { shape, change, irregular, rows: [] }
      parts.set(shape, part)
      part.rows.push(this.#row(key, change, irregular))
    }
    const ordered = [...parts.values()].sort((a, b) => (a.shape < b.shape ? -1 : 1))
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
    return `[${keys.map((key, n) => `{"n":${n},${this.#keyMembers(key).join()}}`).join()}]`
  }

  /** Values of a row of the snapshot, by field; the key's are left out. */
  snapshotFields(): readonly { field: Field; alias: string }[] {
    return this.#plain.map(({ field, inserted }) => ({ field, alias: inserted }))
  }

  #kept(parts: readonly Part[]): string {
    const id = parts.map(({ shape }) => shape).join('\n')
    const known = this.#texts.get(id)
    if (known !== undefined) return known
    if (this.#texts.size === MOST_KEPT) this.#texts.clear()
    const sql = this.#text(parts)
    this.#texts.set(id, sql)
    return sql
  }

  #column(name: string): Columns {
    return this.#byName.get(name) as Columns
  }

  /** Whether the change follows from the inserted row, so that one INSERT … ON CONFLICT DO UPDATE says both. */
  #isRegular(insert: ReadonlyMap<string, string>, changes: ReadonlyMap<string, FieldChange>): boolean {
    for (const [name, change] of changes) {
      const { field } = this.#column(name)
      const inserted = insert.get(name) as string
      if (change.set ? inserted !== change.text : !startsAtDefault(field, inserted, change.text)) return false
    }
    return true
  }

  #row(key: string, change: RecordChange, irregular: boolean): string {
    const members = this.#keyMembers(key)
    if (change.kind === 'upsert' || change.kind === 'replace') {
      for (const { field, inserted } of this.#plain) members.push(`"${inserted}":${toJson(field, change.insert.get(field.name) as string)}`)
    }
    if (change.kind === 'update' || irregular) {
      for (const [name, { text }] of (change as { changes: ReadonlyMap<string, FieldChange> }).changes) {
        const { field, changed } = this.#column(name)
        members.push(`"${changed}":${toJson(field, text)}`)
      }
    }
    return `{${members.join()}}`
  }

  #keyMembers(key: string): string[] {
    return splitKey(key).map((text, n) => `"${this.#keys[n]?.inserted}":${JSON.stringify(text)}`)
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

  #part({ change, irregular }: Part, n: number): { sql: string; written: string[]; check?: string } {
    const source = `rows${n}`
    const inserts = change.kind === 'upsert' || change.kind === 'replace'
    const changed = change.kind === 'update' || irregular ? [...(change as { changes: ReadonlyMap<string, FieldChange> }).changes] : []
    const definitions = [
      this.#definitions(this.#keys),
      ...(inserts && this.#plain.length > 0 ? [this.#definitions(this.#plain)] : []),
      ...changed.map(([name]) => `${this.#column(name).changed} ${jsonType(this.#column(name).field)}`),
    ]
    const rows = `${source} as materialized (select * from json_to_recordset($${n + 4}::text::json) as r(${definitions.join(', ')}) where exists (select from fence))`
    const write = `write${n}`
    switch (change.kind) {
      case 'delete':
        return {
          sql: `${rows},\n${write} as (delete from ${this.#model.table} t using ${source} r where ${this.#matches()} returning 1)`,
          written: [write],
        }
      case 'update':
        return { sql: `${rows},\n${write} as (${this.#update(changed, source)})`, written: [write] }
      case 'replace': {
        const sets = this.#plain.map(({ quoted }) => `${quoted} = excluded.${quoted}`)
        return { sql: `${rows},\n${write} as (${this.#insert(source)} ${onConflict(this.#keys, sets)} returning 1)`, written: [write] }
      }
      case 'upsert': {
        if (!irregular) {
          const sets = [...change.changes].map(([name, each]) => this.#excluded(this.#column(name), each.set))
          return { sql: `${rows},\n${write} as (${this.#insert(source)} ${onConflict(this.#keys, sets)} returning 1)`, written: [write] }
        }
        return this.#irregularPart(rows, source, changed, n)
      }
    }
  }

  /**
   * Insert and change differ: rows that are missing are inserted, those of the snapshot updated. A row that somebody else inserted
   * since the snapshot is neither; the check then fails the statement (SQLSTATE 21000), and it is tried again.
   */
  #irregularPart(rows: string, source: string, changed: readonly [string, FieldChange][], n: number) {
    const missing = `not exists (select from ${this.#model.table} t where ${this.#matches()})`
    const insert = `insert${n} as (${this.#insert(source)} where ${missing} on conflict do nothing returning 1)`
    const counts = [`insert${n}`]
    const parts = [rows, insert]
    if (changed.length > 0) {
      parts.push(`write${n} as (${this.#update(changed, source)})`)
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

  #update(changed: readonly [string, FieldChange][], source: string): string {
    const sets = changed.map(([name, { set }]) => {
      const { field, quoted, changed: alias } = this.#column(name)
      return `${quoted} = ${set ? '' : `t.${quoted} + `}${fromJson(field, `r.${alias}`)}`
    })
    return `update ${this.#model.table} t set ${sets.join(', ')} from ${source} r where ${this.#matches()} returning 1`
  }

  #excluded({ field, quoted }: Columns, set: boolean): string {
    if (set) return `${quoted} = excluded.${quoted}`
    const start = BigInt(startOfCounter(field))
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

function shapeOf(change: RecordChange, irregular: boolean): string {
  if (change.kind === 'delete' || change.kind === 'replace') return change.kind
  let shape: string = irregular ? 'irregular' : change.kind
  for (const [name, { set }] of change.changes) shape += set ? ` =${name}` : ` +${name}`
  return shape
}

/** Whether the inserted value is the field's start plus the amount, and fits the column: then `excluded` has both. */
function startsAtDefault(field: Field, inserted: string, amount: string): boolean {
  if (!/^-?\d+$/.test(inserted) || !/^-?\d+$/.test(amount)) return false
  const value = BigInt(inserted)
  const limit = field.type === 'BigInt' ? INT64 : INT32
  return value >= -limit && value < limit && value - BigInt(amount) === BigInt(startOfCounter(field))
}

function startOfCounter(field: Field): string {
  const start = startOf(field)
  return start === NULL ? '0' : start
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

function toJson(field: Field, text: string): string {
  if (text === NULL) return 'null'
  if (field.list) return text
  switch (field.type) {
    case 'String':
    case 'Json':
    case 'Enum':
    case 'Bytes':
      return JSON.stringify(text)
    default:
      return `"${text}"`
  }
}
