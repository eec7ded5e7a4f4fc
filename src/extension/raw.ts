import type { Dialect } from '../database/database.js'
import { dialectOf } from '../database/dialects.js'
import type { Part } from '../write-behind.js'

/** What raw SQL is about, as far as its text says. */
export class RawTables {
  readonly #tables: readonly { part: Part; pattern: RegExp }[]
  readonly #dialect: Dialect

  constructor(parts: readonly Part[]) {
    this.#tables = parts.map((part) => ({ part, pattern: wordOf(part.model.table) }))
    this.#dialect = dialectOf(parts.map(({ model }) => model))
  }

  /** The models whose tables the text names. */
  named(sql: string): Part[] {
    return this.#tables.filter(({ pattern }) => pattern.test(sql)).map(({ part }) => part)
  }

  mayChange(operation: string, sql: string): boolean {
    return operation.startsWith('$execute') || this.#dialect.mayChange(sql)
  }
}

/** The text of what Prisma's raw calls are given: a tagged template, a typed query, or a string and its values. */
export function textOf(args: unknown): string {
  const given = Array.isArray(args) ? args[0] : args
  if (typeof given === 'string') return given
  const { sql, strings } = Object(given) as { sql?: unknown; strings?: unknown }
  if (typeof sql === 'string') return sql
  return Array.isArray(strings) ? strings.join('?') : String(given)
}

/** Finds the name of a table as a word, in quotes or without. */
function wordOf(table: string): RegExp {
  return new RegExp(`(?<![\\w$])${table.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w$])`, 'i')
}
