import type { Ledger } from '../../model/model.js'
import type { IdentityRow, LedgerIdentity, Place } from '../database.js'
import { quoteLedger } from './columns.js'
import { classify } from './sqlstate.js'

/** Sends one statement. */
export type Ask = <T>(sql: string, ...values: unknown[]) => Promise<T[]>

/**
 * Reads the system identifier, which a server shares with its replicas; '' if the role may not read it.
 * @throws what the client throws when the database cannot be reached
 */
export async function readSystem(ask: Ask): Promise<string> {
  try {
    const [row] = await ask<{ system: string }>('select system_identifier::text as system from pg_control_system()')
    return row?.system ?? ''
  } catch (error) {
    if (classify(error).code === 'OUTAGE') throw error
    return ''
  }
}

/** The ledger's row of a namespace. Its `batch` is the random id, and its `recent` the place where the id was made. */
export class LedgerIdentityRow implements IdentityRow {
  readonly #ask: Ask
  readonly #ledger: Ledger
  readonly #shard: string
  readonly #system: string

  constructor(ask: Ask, ledger: Ledger, shard: string, system: string) {
    this.#ask = ask
    this.#ledger = ledger
    this.#shard = shard
    this.#system = system
  }

  async read(): Promise<{ here: Place; found: LedgerIdentity | undefined }> {
    const { table, shard, batch, recent } = quoteLedger(this.#ledger)
    const [row] = await this.#ask<{ database: string; table: string; id: string | null; made: string[] | null }>(
      `select current_database()::text as database, format('%I.%I', n.nspname, c.relname) as "table", l.${batch} as id, l.${recent} as made
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join ${table} l on l.${shard} = $1::text where c.oid = $2::text::regclass`,
      this.#shard,
      table,
    )
    if (row === undefined) throw new Error('the ledger is gone')
    const [system = '', database = '', madeTable = ''] = row.made ?? []
    return {
      here: { system: this.#system, database: row.database, table: row.table },
      found: row.id === null ? undefined : { id: row.id, place: { system, database, table: madeTable } },
    }
  }

  async insert({ id, place }: LedgerIdentity): Promise<void> {
    const { table, shard, batch, recent } = quoteLedger(this.#ledger)
    await this.#ask(
      `insert into ${table} (${shard}, ${batch}, ${recent}) values ($1::text, $2::text, array[$3, $4, $5]::text[]) on conflict (${shard}) do nothing`,
      this.#shard,
      id,
      place.system,
      place.database,
      place.table,
    )
  }

  async replace(old: string, { id, place }: LedgerIdentity): Promise<void> {
    const { table, shard, batch, recent } = quoteLedger(this.#ledger)
    await this.#ask(
      `update ${table} set ${batch} = $3::text, ${recent} = array[$4, $5, $6]::text[] where ${shard} = $1::text and ${batch} = $2::text`,
      this.#shard,
      old,
      id,
      place.system,
      place.database,
      place.table,
    )
  }
}
