import type { Dialect } from '../database/database.js'
import { dialectOf } from '../database/dialects.js'
import type { Model } from '../model/model.js'

/** Finds out from the text of raw SQL which models it is about. */
export class RawTables {
  readonly #tables: readonly { name: string; pattern: RegExp }[]
  readonly #dialect: Dialect

  constructor(models: readonly Pick<Model, 'name' | 'table' | 'provider'>[]) {
    this.#tables = models.map(({ name, table }) => ({ name, pattern: wordOf(table) }))
    this.#dialect = dialectOf(models)
  }

  /** Names of the models whose tables the text names. */
  named(sql: string): string[] {
    return this.#tables.filter(({ pattern }) => pattern.test(sql)).map(({ name }) => name)
  }

  mayChange(operation: string, sql: string): boolean {
    return operation.startsWith('$execute') || this.#dialect.mayChange(sql)
  }
}

/** Returns the SQL in the arguments of a raw call of Prisma: a tagged template, a typed query, or a string and its values. */
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
