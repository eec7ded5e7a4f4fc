import { randomUUID } from 'node:crypto'
import { PersistError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { quoteLedger } from './columns.js'

/** The number of texts of 32 bytes that are written and taken back. A full disk may have room for a row, but hardly for so many texts. */
const TEXTS = 8000
const DIVISION_BY_ZERO = '22012'

/** Statements that tell a failure of one batch from an outage. Nothing that they write stays. */
export class LedgerProbe {
  /**
   * Stops flushes that take longer than a statement may, because their sender has given them up. Its parameter is the number of ms that a statement
   * may take. It recognises a flush by the beginning of the text that the statement builder makes.
   */
  readonly stopGivenUp: string
  readonly #model: string
  readonly #sql: string

  constructor(model: Model) {
    const { table, shard, batch, recent } = quoteLedger(model.ledger)
    this.#model = model.name
    const beginning = `with fence as (\n  insert into ${table} as l`.replaceAll("'", "''")
    this.stopGivenUp = `select count(pg_cancel_backend(pid)) from pg_stat_activity
where state = 'active' and pid <> pg_backend_pid() and usename = current_user and datname = current_database()
and position('${beginning}' in query) = 1 and query_start < now() - $1::int * interval '1 ms'`
    // The division fails after the row was written, and takes it back.
    this.#sql = `with probe as (
  insert into ${table} (${shard}, ${batch}, ${recent})
  select $1::text, $1::text, array(select md5(n::text || $1::text) from generate_series(1, ${TEXTS}) n) returning 1)
select 1 / (select count(*)::int - 1 from probe) as n`
  }

  /**
   * `emptied`: parameters of the ledger for the statement of a batch. They name a row that is not there, so that the statement does nothing and does
   * not make the row. `full`: the statement that writes.
   */
  statements(): { emptied: readonly unknown[]; full: { sql: string; values: readonly unknown[] } } {
    const name = `probe:${randomUUID()}`
    return { emptied: [name, name, name], full: { sql: this.#sql, values: [name] } }
  }

  /** @returns undefined if the answer to `full` proves that the row was written */
  trouble(answer: PersistError | unknown): PersistError | undefined {
    if (!(answer instanceof PersistError)) return new PersistError('OUTAGE', `${this.#model}: the ledger's table takes no row`, undefined)
    return answer.databaseCode === DIVISION_BY_ZERO ? undefined : answer
  }
}
