import { InvalidInputError, PersistError } from '../../errors.js'
import type { Model } from '../../model/model.js'
import type { BatchHead, Database, PersistOutcome, RowChange, RowSnapshot, SqlClient, VoidOutcome } from '../database.js'
import { deletesId, type LedgerRow, outcomeOf, voidId } from '../ledger.js'
import { isUnanswered } from '../outcome.js'
import { quoteLedger } from './columns.js'
import { LedgerProbe } from './ledger-probe.js'
import { Session } from './session.js'
import { SnapshotQuery } from './snapshot.js'
import { type Statement, StatementBuilder } from './statement.js'
import { TimeZones } from './time-zone.js'
import { tryRows } from './trial.js'

/**
 * The highest number of parameters of one statement. The protocol can number 65,535. Only a batch with hundreds of shapes comes near this number.
 * Such a batch is halved.
 */
const MAX_PARAMETERS = 30_000

/** PostgreSQL's tables of one model. A batch is one statement, which moves the ledger and writes the rows. */
export class PostgresqlDatabase implements Database {
  readonly #model: Model
  readonly #session: Session
  readonly #builder: StatementBuilder
  readonly #zones: TimeZones
  readonly #snapshot: SnapshotQuery
  readonly #probe: LedgerProbe
  readonly #ledgerQuery: string

  /** @param timeout ms after which a statement without an answer is an outage */
  constructor(client: SqlClient, model: Model, timeout: number) {
    this.#model = model
    this.#session = new Session(client, model.name, timeout)
    this.#zones = new TimeZones(model)
    this.#builder = new StatementBuilder(model, this.#zones)
    this.#snapshot = new SnapshotQuery(model)
    this.#probe = new LedgerProbe(model)
    const { table, shard, batch, recent } = quoteLedger(model.ledger)
    this.#ledgerQuery = `select ${batch} as batch, ${recent} as recent from ${table} where ${shard} = $1::text`
  }

  async ready(): Promise<void> {
    await this.#zones.ask((sql) => this.#session.query(sql))
  }

  prepare(changes: readonly RowChange[]): Statement {
    const statement = this.#builder.build(changes)
    if (statement.columns.length <= MAX_PARAMETERS) return statement
    const { name: model } = this.#model
    throw new PersistError('REFUSED', `${model}: too many shapes of change for one statement`, undefined, { model })
  }

  async persist(ledgerShard: string, head: BatchHead, { sql, columns, upserted, deletes }: Statement): Promise<PersistOutcome> {
    const { id } = head
    const previous = deletes === undefined ? head.previous : await this.#deleteReplaced(ledgerShard, head, deletes)
    const sent = this.#session.query<{ moved: number; written: number }>(sql, ledgerShard, id, previous, ...columns)
    const [result] = await sent.catch((error) => {
      if (isUnanswered(error)) void this.#stopGivenUp()
      throw error
    })
    if (result?.moved === 1) return { outcome: 'applied', rows: upserted + result.written }
    return outcomeOf(await this.#ledger(ledgerShard), id)
  }

  /** @returns what the ledger says before the second statement of the batch, unless the batch was applied already */
  async #deleteReplaced(ledgerShard: string, { id, previous }: BatchHead, deletes: Statement): Promise<string | null> {
    const deleted = deletesId(id)
    const { outcome } = await this.persist(ledgerShard, { id: deleted, previous }, deletes)
    return outcome === 'applied' || outcome === 'applied before' ? deleted : previous
  }

  async void(ledgerShard: string, { id, previous }: BatchHead): Promise<VoidOutcome> {
    const { outcome } = await this.persist(ledgerShard, { id: voidId(id), previous }, this.prepare([]))
    if (outcome === 'applied' || outcome === 'applied before') return { outcome: 'void' }
    const ledger = await this.#ledger(ledgerShard)
    const deleted = deletesId(id)
    if (ledger?.batch === deleted && previous !== deleted) return this.void(ledgerShard, { id, previous: deleted })
    return outcomeOf(ledger, id)
  }

  async probe({ sql, columns }: Statement): Promise<PersistError | undefined> {
    const { emptied, full } = this.#probe.statements()
    try {
      await this.#session.query(sql, ...emptied, ...columns.map(() => '{}'))
    } catch (error) {
      const { code, databaseCode } = error as PersistError
      if (code !== 'REFUSED') return error as PersistError
      const message = `${this.#model.name}: the database refuses a statement for no rows, too (${databaseCode})`
      return new PersistError('OUTAGE', message, databaseCode)
    }
    return this.#probe.trouble(await this.#session.query(full.sql, ...full.values).catch((error: PersistError) => error))
  }

  async trial(changes: readonly RowChange[]): Promise<ReadonlyMap<number, PersistError> | undefined> {
    const trial = tryRows(this.#session.client, this.#builder, changes, this.#model, this.#session.timeout)
    return this.#session.inTime(trial).catch(() => undefined)
  }

  async write(change: RowChange): Promise<void> {
    await this.ready()
    const { sql, columns } = this.#builder.build([change], false)
    await this.#session.query(sql, null, null, null, ...columns)
  }

  async snapshot(ledgerShard: string, keys: readonly string[]): Promise<RowSnapshot> {
    await this.ready()
    const { sql } = this.#snapshot
    const found = await this.#session.query<FoundRow>(sql, ledgerShard, ...this.#snapshot.columns(keys, this.#zones.keeps))
    found.sort((a, b) => a.n - b.n)
    const rows: RowSnapshot['rows'] = []
    const unreadable = new Map<string, PersistError>()
    for (const row of found) {
      const key = keys[row.n - 1] as string
      try {
        rows.push({ key, values: row.found ? this.#snapshot.values(row) : undefined })
      } catch (error) {
        unreadable.set(key, unreadableRow(this.#model.name, key, error))
      }
    }
    return { ledger: found[0]?.ledger ?? null, rows, unreadable }
  }

  async #ledger(ledgerShard: string): Promise<LedgerRow | undefined> {
    const [row] = await this.#session.query<LedgerRow>(this.#ledgerQuery, ledgerShard)
    return row
  }

  /**
   * Stops flushes that were given up. Such a flush may go on for ever in the database, for example because it waits for a lock. Until it ends, nobody
   * can move the ledger of its shard.
   */
  async #stopGivenUp(): Promise<void> {
    await this.#session.query(this.#probe.stopGivenUp, this.#session.timeout).catch(() => {})
  }
}

type FoundRow = Record<string, unknown> & { ledger: string | null; n: number; found: boolean }

/** Matches a text that names a kind of value, and contains no value: `null`, `an invalid Date`, `an object`. */
const KIND_OF_VALUE = /^(null|an? [a-zA-Z ]+)$/

/** Says only which kind of value was found, because messages must not contain values of a row. */
function unreadableRow(model: string, key: string, error: unknown): PersistError {
  if (!(error instanceof InvalidInputError)) throw error
  const { field, expected, got } = error
  const found = KIND_OF_VALUE.test(got) ? got : 'something else'
  const message = `${model}.${field}: expected ${expected} in the database, found ${found}`
  return new PersistError('REFUSED', message, undefined, { model, key })
}
