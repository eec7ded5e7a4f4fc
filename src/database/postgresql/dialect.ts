import type { Dialect } from '../database.js'
import { PostgresqlDatabase } from './database.js'
import { PostgresqlServer } from './server.js'
import { classify } from './sqlstate.js'

/** Words of SQL that change rows, or may call something that does. In a comment such a word costs a flush, and no more. */
const CHANGES = /\b(insert|update|delete|merge|truncate|alter|drop|create|copy|call|do|execute|lock)\b/i

/** PostgreSQL, through Prisma's adapter for pg. */
export const postgresql: Dialect = {
  database: (client, model, timeout) => new PostgresqlDatabase(client, model, timeout),
  server: (client) => new PostgresqlServer((sql, ...values) => client.$queryRawUnsafe(sql, ...values)),
  classify,
  mayChange: (sql) => CHANGES.test(sql),
}
