import { randomUUID } from 'node:crypto'
import { PersistError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import { quoteLedger } from './columns.js'

/** Texts of 32 bytes that are written, and taken back: a full disk has room for a row, but hardly for these. */
const TEXTS = 8000
const DIVISION_BY_ZERO = '22012'

/** What tells a failure of one batch from an outage. Nothing that it writes stays. */
export class LedgerProbe {
  /**
   * Stops flushes that have taken longer than a statement may, and so have been given up by whoever sent them. A parameter: ms that one may take.
   * The text is the beginning of what the statement builder makes.
   */
  readonly stopGivenUp: string
  readonly #model: string
  readonly #sql: string

  constructor(model: Model) {
    const { table, shard, batch, recent } = quoteLedger(model)
    this.#model = model.name
    const beginning = `with fence as (\n  insert into ${table} as l`.replaceAll("'", "''")
    this.stopGivenUp = `select count(pg_cancel_backend(pid)) from pg_stat_activity
where state = 'active' and pid <> pg_backend_pid() and usename = current_user and datname = current_database()
and position('${beginning}' in query) = 1 and query_start < now() - $1::int * interval '1 ms'`
    // The division fails when the row has been written, and takes it back.
    this.#sql = `with probe as (
  insert into ${table} (${shard}, ${batch}, ${recent})
  select $1::text, $1::text, array(select md5(n::text || $1::text) from generate_series(1, ${TEXTS}) n) returning 1)
select 1 / (select count(*)::int - 1 from probe) as n`
  }

  /** `emptied`: a ledger row that is not there, which a batch's statement does not make then; `full`: the statement that writes. */
  statements(): { emptied: readonly unknown[]; full: { sql: string; values: readonly unknown[] } } {
    const name = `probe:${randomUUID()}`
    return { emptied: [name, name, name], full: { sql: this.#sql, values: [name] } }
  }

  /** @returns undefined if its answer proves that the row was written */
  trouble(answer: PersistError | unknown): PersistError | undefined {
    if (!(answer instanceof PersistError)) return new PersistError('OUTAGE', `${this.#model}: the ledger's table takes no row`, undefined)
    return answer.databaseCode === DIVISION_BY_ZERO ? undefined : answer
  }
}
