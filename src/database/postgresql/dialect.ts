import type { Dialect } from '../database.js'
import { PostgresqlDatabase } from './database.js'
import { PostgresqlServer } from './server.js'
import { classify } from './sqlstate.js'

/** Words of SQL that change rows, or that may call something which changes rows. If such a word is in a comment, that only costs a flush. */
const CHANGES = /\b(insert|update|delete|merge|truncate|alter|drop|create|copy|call|do|execute|lock)\b/i

/** PostgreSQL, through Prisma's adapter for pg. */
export const postgresql: Dialect = {
  database: (client, model, timeout) => new PostgresqlDatabase(client, model, timeout),
  server: (client) => new PostgresqlServer((sql, ...values) => client.$queryRawUnsafe(sql, ...values)),
  classify,
  mayChange: (sql) => CHANGES.test(sql),
}
