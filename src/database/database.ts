/**
 * What write-behind asks of an SQL database. Each dialect answers in a folder of its own beside this file, and dialects.ts chooses one by the
 * provider of the Prisma schema. Nothing outside of that folder sees a statement, a type of the database, or one of its error codes.
 */
import type { RecordChange } from '../change/change.js'
import type { CopiedChange } from '../change/copy.js'
import type { PersistError } from '../errors.js'
import type { Ledger, Model } from '../model/model.js'
import type { Failure } from './outcome.js'

/** The part of a Prisma client that is used. */
export interface SqlClient {
  /** Sends one raw statement, which is atomic by itself. */
  $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T>
  /** Sends several statements in a transaction. Without it, it takes more statements to find out which rows of a batch are refused. */
  $transaction?(statements: never): Promise<unknown>
}

/** One kind of SQL database. @internal */
export interface Dialect {
  /**
   * Serves the tables of one model.
   * @param timeout ms after which a statement without an answer is an outage
   */
  database(client: SqlClient, model: Model, timeout: number): Database
  /** Serves the checks at the start. */
  server(client: Pick<SqlClient, '$queryRawUnsafe'>): Server
  /** Tells what an error of Prisma's client means. */
  classify(error: unknown): Failure
  /** Whether raw SQL may change rows, as far as its text says. It may err on the side of a change. */
  mayChange(sql: string): boolean
}

/** Persists batches of one model, voids them, and reads rows together with the ledger. @internal */
export interface Database {
  /**
   * Learns what has to be known of the driver. To be awaited before `prepare`.
   * @throws PersistError
   */
  ready(): Promise<void>
  /**
   * Makes a batch ready to be persisted.
   * @param changes at most one per record, sorted by key
   * @throws PersistError if a change does not fit the model, or the batch is too large
   */
  prepare(changes: readonly RowChange[]): Prepared
  /**
   * Applies the whole batch and moves the ledger, or does nothing. The rows that a batch replaces are deleted by a statement before it, which
   * moves the ledger too.
   * @throws PersistError
   */
  persist(ledgerShard: string, head: BatchHead, prepared: Prepared): Promise<PersistOutcome>
  /**
   * Moves the ledger past a refused batch, so that no paused worker can apply the batch later.
   * @throws PersistError
   */
  void(ledgerShard: string, head: BatchHead): Promise<VoidOutcome>
  /**
   * Tells why the database does not carry out other statements now; `undefined`: it does. The others are the batch's own statement for no rows,
   * which needs the same tables, columns and rights, and one that writes to the ledger's table.
   */
  probe(prepared: Prepared): Promise<PersistError | undefined>
  /**
   * Finds out which rows of a batch the database refuses, and why, by their position. It changes nothing, and what it finds is advice.
   * @returns undefined if that could not be found out
   */
  trial(changes: readonly RowChange[]): Promise<ReadonlyMap<number, PersistError> | undefined>
  /**
   * Writes one record at once, without the ledger. The statement is never sent again by itself.
   * @throws PersistError
   */
  write(change: RowChange): Promise<void>
  /**
   * Reads the rows of the keys, in their order, and the ledger at the same moment.
   * @throws PersistError
   */
  snapshot(ledgerShard: string, keys: readonly string[]): Promise<RowSnapshot>
}

/** The pending change of one record, on its way into its row. @internal */
export interface RowChange {
  readonly key: string
  readonly change: RecordChange | CopiedChange
}

/** @internal */
declare const PREPARED: unique symbol

/** A batch that is ready to be persisted. Only the dialect that made it knows what is in it. @internal */
export interface Prepared {
  readonly [PREPARED]?: never
}

/** A batch, and the one after which it comes. @internal */
export interface BatchHead {
  readonly id: string
  readonly previous: string | null
}

/** @internal */
export type PersistOutcome =
  /** The rows are in the database now; updates and deletes of missing rows count no row. */
  | { readonly outcome: 'applied'; readonly rows: number }
  /** The rows were in the database before; the ledger may have moved on since. */
  | { readonly outcome: 'applied before'; readonly ledger: string }
  /** The batch is void: it is to be split, or its one record parked. */
  | { readonly outcome: 'void' }
  /** The ledger is where neither this batch nor the one before it has left it. */
  | { readonly outcome: 'elsewhere'; readonly ledger: string | null }

/** @internal */
export type VoidOutcome = Exclude<PersistOutcome, { outcome: 'applied' }>

/** Rows, and the ledger of the same moment. @internal */
export interface RowSnapshot {
  readonly ledger: string | null
  /** In the order of the keys, without rows that hold what the model cannot. `values` are stored texts; a missing row has none. */
  readonly rows: { key: string; values: string[] | undefined }[]
  /** Why rows cannot be read, by key. */
  readonly unreadable: ReadonlyMap<string, PersistError>
}

/** The database as the start sees it, before any batch is sent. @internal */
export interface Server {
  /**
   * Compares the tables of the models, and their ledgers, with what the statements need.
   * @throws ConfigurationError naming all that is missing, and what to do; or what the client throws
   */
  inspect(models: readonly Model[]): Promise<void>
  /**
   * Finds out which server this is.
   * @throws what the client throws when the database cannot be reached
   */
  identityRows(): Promise<IdentityRows>
  /**
   * Tells why the database refused a step of the start, and what to do, in words of ours: a message of another library may quote anything.
   * @param step that failed with `error`
   */
  describeRefusal(error: unknown, step: 'inspect' | 'bind', models: readonly Model[]): Promise<string>
}

/** Gives the row in which a ledger says whose it is. @internal */
export type IdentityRows = (ledger: Ledger, shard: string) => IdentityRow

/** A row of a ledger that holds a random id, and the place where that id was made. @internal */
export interface IdentityRow {
  read(): Promise<{ readonly here: Place; readonly found: LedgerIdentity | undefined }>
  /** Does nothing if the row is there. The first of several processes decides, so that the row has to be read again afterwards. */
  insert(identity: LedgerIdentity): Promise<void>
  /** Does nothing unless the row has the old id, as another process may have replaced it. */
  replace(old: string, identity: LedgerIdentity): Promise<void>
}

/** Where a ledger is. A copy of the ledger is elsewhere. @internal */
export interface Place {
  /** What replicas share, and other servers have another of; '' where it is not to be had. */
  readonly system: string
  readonly database: string
  /** Quoted and qualified. */
  readonly table: string
}

/** @internal */
export interface LedgerIdentity {
  readonly id: string
  /** Where the id was made. */
  readonly place: Place
}
