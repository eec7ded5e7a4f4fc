import type { Model } from '../model/model.js'

/** Words of SQL that change rows, or may call something that does. Found in a comment they cost a flush, no more. */
const CHANGES = /\b(insert|update|delete|merge|truncate|alter|drop|create|copy|call|do|execute|lock)\b/i

/** What raw SQL is about, as far as its text says. */
export class RawTables {
  readonly #tables: readonly { name: string; pattern: RegExp }[]

  constructor(models: readonly Pick<Model, 'name' | 'table'>[]) {
    this.#tables = models.map(({ name, table }) => ({ name, pattern: namedIn(table) }))
  }

  /** The models whose tables the text names. */
  named(sql: string): string[] {
    return this.#tables.filter(({ pattern }) => pattern.test(sql)).map(({ name }) => name)
  }
}

export function mayChange(operation: string, sql: string): boolean {
  return operation.startsWith('$execute') || CHANGES.test(sql)
}

/** The text of what Prisma's raw calls are given: a tagged template, a typed query, or a string and its values. */
export function textOf(args: unknown): string {
  const given = Array.isArray(args) ? args[0] : args
  if (typeof given === 'string') return given
  const { sql, strings } = Object(given) as { sql?: unknown; strings?: unknown }
  if (typeof sql === 'string') return sql
  return Array.isArray(strings) ? strings.join('?') : String(given)
}

/** @param table quoted and perhaps qualified: its last part is looked for as a word */
function namedIn(table: string): RegExp {
  const name = (/"((?:[^"]|"")+)"$/.exec(table)?.[1] ?? table).replaceAll('""', '"')
  return new RegExp(`(?<![\\w$])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w$])`, 'i')
}
