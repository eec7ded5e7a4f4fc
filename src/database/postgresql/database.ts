import { ConfigurationError, InvalidInputError, PersistError } from '../../errors.js'
import { encodeStored } from '../../model/codec.js'
import type { Model } from '../../model/model.js'
import { NO_ANSWER, toPersistError } from '../failure.js'
import { quoteLedger } from './columns.js'
import { LedgerProbe } from './ledger-probe.js'
import { SnapshotQuery } from './snapshot.js'
import { type RowChange, type Statement, StatementBuilder } from './statement.js'
import { TimeZones } from './time-zone.js'
import { tryRows } from './trial.js'

/** The part of a Prisma client that is used. */
export interface SqlClient {
  /** One raw statement, which is atomic by itself. */
  $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T>
  /** Several, in a transaction. Without it, it takes more statements to find out which rows of a batch are refused. */
  $transaction?(statements: never): Promise<unknown>
}

export type PersistOutcome =
  /** The rows are in the database now; updates and deletes of missing rows count no row. */
  | { readonly outcome: 'applied'; readonly rows: number }
  /** They were before; the ledger may have moved on since. */
  | { readonly outcome: 'applied before'; readonly ledger: string }
  /** The batch is void: it is to be split, or its one record parked. */
  | { readonly outcome: 'void' }
  /** The ledger is where neither this batch nor the one before it has left it. */
  | { readonly outcome: 'elsewhere'; readonly ledger: string | null }

export interface BatchHead {
  readonly id: string
  readonly previous: string | null
}

interface Snapshot {
  readonly ledger: string | null
  readonly rows: { key: string; values: string[] | undefined }[]
  /** By key, why rows cannot be read. */
  readonly unreadable: ReadonlyMap<string, PersistError>
}

interface LedgerRow {
  readonly batch: string
  readonly recent: readonly string[]
}

/** Of one statement; the protocol can number 65,535. Only hundreds of shapes of change in one batch come near it: such a batch is halved. */
const MAX_PARAMETERS = 30_000

/** Speaks SQL for one model: persists batches, voids them, and reads rows with the ledger of the same snapshot. */
export class Database {
  readonly #client: SqlClient
  readonly #model: Model
  readonly #timeout: number
  readonly #builder: StatementBuilder
  readonly #zones: TimeZones
  readonly #snapshot: SnapshotQuery
  readonly #probe: LedgerProbe

  /** @param timeout ms after which a statement without an answer is an outage */
  constructor(client: SqlClient, model: Model, timeout: number) {
    this.#client = client
    this.#timeout = timeout
    this.#model = model
    this.#zones = new TimeZones(model)
    this.#builder = new StatementBuilder(model, this.#zones)
    this.#snapshot = new SnapshotQuery(model)
    this.#probe = new LedgerProbe(model)
  }

  /**
   * To be awaited before `prepare`: learns what has to be known of the adapter.
   * @throws PersistError
   */
  async ready(): Promise<void> {
    await this.#zones.ask((sql) => this.#query(sql))
  }

  /**
   * The statement that persists a batch.
   * @param changes at most one per record, sorted by key
   * @throws PersistError
   */
  prepare(changes: readonly RowChange[]): Statement {
    const statement = this.#builder.build(changes)
    if (statement.columns.length > MAX_PARAMETERS)
      throw new PersistError('REFUSED', `${this.#model.name}: too many shapes of change for one statement`, undefined, {
        model: this.#model.name,
      })
    return statement
  }

  /**
   * Sends one statement. Applies the whole batch and moves the ledger, or does nothing. Rows that are replaced are deleted before, by a
   * statement of its own that moves the ledger too.
   * @throws PersistError
   */
  async persist(ledgerShard: string, head: BatchHead, { sql, columns, upserted, deletes }: Statement): Promise<PersistOutcome> {
    const { id } = head
    const previous = deletes === undefined ? head.previous : await this.#deleteReplaced(ledgerShard, head, deletes)
    const [result] = await this.#query<{ moved: number; written: number }>(sql, ledgerShard, id, previous, ...columns).catch((error) => {
      if (error.databaseCode === NO_ANSWER) void this.#stopGivenUp()
      throw error
    })
    if (result?.moved === 1) return { outcome: 'applied', rows: upserted + result.written }
    const ledger = await this.#ledger(ledgerShard)
    if (ledger !== undefined && holds(ledger, id)) return { outcome: 'applied before', ledger: ledger.batch }
    if (ledger?.batch === voidId(id)) return { outcome: 'void' }
    return { outcome: 'elsewhere', ledger: ledger?.batch ?? null }
  }

  /**
   * Why the database does not carry out other statements; undefined: it does. They are the batch's own statement for no rows, which needs the
   * same tables, columns and rights, and one that writes to the ledger's table.
   */
  async probe({ sql, columns }: Statement): Promise<PersistError | undefined> {
    const { emptied, full } = this.#probe.statements()
    try {
      await this.#query(sql, ...emptied, ...columns.map(() => '{}'))
    } catch (error) {
      const { code, databaseCode } = error as PersistError
      if (code !== 'REFUSED') return error as PersistError
      return new PersistError(
        'OUTAGE',
        `${this.#model.name}: the database refuses a statement for no rows, too (${databaseCode})`,
        databaseCode,
      )
    }
    return this.#probe.trouble(await this.#query(full.sql, ...full.values).catch((error: PersistError) => error))
  }

  /**
   * Which of a batch's rows the database refuses, and why, by their position; nothing is changed. It is advice.
   * @returns undefined if that could not be found out
   */
  async trial(changes: readonly RowChange[]): Promise<ReadonlyMap<number, PersistError> | undefined> {
    const columns = new Set(this.#model.fields.map(({ column }) => column))
    const { name: model } = this.#model
    const trial = tryRows(this.#client, this.#builder, changes, { model, timeout: this.#timeout, columns })
    return this.#inTime(trial).catch(() => undefined)
  }

  /**
   * One statement without the ledger, for a change of one record that is made now and not again.
   * @throws PersistError
   */
  async write(change: RowChange): Promise<void> {
    await this.ready()
    const { sql, columns } = this.#builder.build([change], false)
    await this.#query(sql, null, null, null, ...columns)
  }

  /**
   * Moves the ledger past a refused batch, so that no paused worker can apply it later.
   * @throws PersistError
   */
  async void(ledgerShard: string, { id, previous }: BatchHead): Promise<Exclude<PersistOutcome, { outcome: 'applied' }>> {
    const { outcome } = await this.persist(ledgerShard, { id: voidId(id), previous }, this.prepare([]))
    if (outcome === 'applied' || outcome === 'applied before') return { outcome: 'void' }
    const ledger = await this.#ledger(ledgerShard)
    if (ledger !== undefined && holds(ledger, id)) return { outcome: 'applied before', ledger: ledger.batch }
    const deleted = deletesId(id)
    if (ledger?.batch === deleted && previous !== deleted) return this.void(ledgerShard, { id, previous: deleted })
    return { outcome: 'elsewhere', ledger: ledger?.batch ?? null }
  }

  /** @returns where the ledger is for the rest of the batch, if that was not applied yet */
  async #deleteReplaced(ledgerShard: string, { id, previous }: BatchHead, deletes: Statement): Promise<string | null> {
    const deleted = deletesId(id)
    const { outcome } = await this.persist(ledgerShard, { id: deleted, previous }, deletes)
    return outcome === 'applied' || outcome === 'applied before' ? deleted : previous
  }

  /**
   * The rows of the keys, in their order, and the ledger of the same moment; without the rows that hold what the model cannot.
   * @throws PersistError
   */
  async snapshot(ledgerShard: string, keys: readonly string[]): Promise<Snapshot> {
    await this.ready()
    const found = await this.#query<Record<string, unknown> & { ledger: string | null; n: number; found: boolean }>(
      this.#snapshot.sql,
      ledgerShard,
      ...this.#snapshot.columns(keys, this.#zones.keeps),
    )
    found.sort((a, b) => a.n - b.n)
    const rows: Snapshot['rows'] = []
    const unreadable = new Map<string, PersistError>()
    for (const row of found) {
      const key = keys[row.n - 1] as string
      try {
        rows.push({ key, values: row.found ? this.#values(row) : undefined })
      } catch (error) {
        unreadable.set(key, unreadableError(this.#model.name, key, error))
      }
    }
    return { ledger: found[0]?.ledger ?? null, rows, unreadable }
  }

  #values(row: Record<string, unknown>): string[] {
    return this.#snapshot.fields.map(({ field, alias }) => encodeStored(this.#model, field, row[alias]))
  }

  async #ledger(ledgerShard: string): Promise<LedgerRow | undefined> {
    const { table, shard, batch, recent } = quoteLedger(this.#model)
    const [row] = await this.#query<LedgerRow>(
      `select ${batch} as batch, ${recent} as recent from ${table} where ${shard} = $1::text`,
      ledgerShard,
    )
    return row
  }

  async #query<T>(sql: string, ...values: unknown[]): Promise<T[]> {
    try {
      return await this.#inTime(this.#client.$queryRawUnsafe<T[]>(sql, ...values))
    } catch (error) {
      throw error instanceof ConfigurationError ? error : toPersistError(this.#model.name, error)
    }
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(Object.assign(new Error('no answer in time'), { kind: NO_ANSWER })), this.#timeout)
    })
    try {
      return await Promise.race([answer, silence])
    } finally {
      clearTimeout(timer)
    }
  }

  /** A flush that was given up may go on for ever in the database, as behind a lock, and all that time nobody can move its shard's ledger. */
  async #stopGivenUp(): Promise<void> {
    await this.#query(this.#probe.stopGivenUp, this.#timeout).catch(() => {})
  }
}

/** What is no value: `null`, `an invalid Date`, `an object`. */
const KIND_OF_VALUE = /^(null|an? [a-zA-Z ]+)$/

/** Says of which kind the value is that was found, and no more. */
function unreadableError(model: string, key: string, error: unknown): PersistError {
  if (!(error instanceof InvalidInputError)) throw error
  const { field, expected, got } = error
  const found = KIND_OF_VALUE.test(got) ? got : 'something else'
  return new PersistError('REFUSED', `${model}.${field}: expected ${expected} in the database, found ${found}`, undefined, {
    model,
    key,
  })
}

function holds({ batch, recent }: LedgerRow, id: string): boolean {
  return batch === id || recent.includes(id)
}

/** What the ledger holds when the replaced rows of a batch are deleted, and the rest of it is not written yet. */
function deletesId(id: string): string {
  return `deletes:${id}`
}

export function voidId(id: string): string {
  return `void:${id}`
}
