/**
 * What write-behind needs of an SQL database. Each dialect has a folder of its own next to this file, and dialects.ts chooses one by the provider of
 * the Prisma schema. No code outside of that folder sees a statement, a type of the database, or one of its error codes.
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
  /** Sends several statements in a transaction. Without this method, it takes more statements to find out which rows of a batch are refused. */
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
  /** Whether raw SQL may change rows, as far as its text says. In doubt the answer is yes. */
  mayChange(sql: string): boolean
}

/** Persists batches of one model, voids them, and reads rows together with the ledger. @internal */
export interface Database {
  /**
   * Finds out what the dialect must know of the driver. The caller awaits it before it calls `prepare`.
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
   * Tells why the database does not carry out other statements now; `undefined` if it does. It sends two test statements: the statement of the batch
   * without any row, which needs the same tables, columns and rights, and one that writes to the ledger's table.
   */
  probe(prepared: Prepared): Promise<PersistError | undefined>
  /**
   * Finds out which rows of a batch the database refuses, and why. The result has them by their position. It changes nothing, and its result is only
   * advice.
   * @returns undefined if that could not be found out
   */
  trial(changes: readonly RowChange[]): Promise<ReadonlyMap<number, PersistError> | undefined>
  /**
   * Writes one record at once, without the ledger. The library never sends this statement again.
   * @throws PersistError
   */
  write(change: RowChange): Promise<void>
  /**
   * Reads the rows of the keys, in the order of the keys, and the ledger of the same moment.
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

/** The id of a batch, and the id of the batch before it. @internal */
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
  /** The batch is void. It has to be divided, or its one record has to be parked. */
  | { readonly outcome: 'void' }
  /** The ledger names neither this batch nor the one before it. */
  | { readonly outcome: 'elsewhere'; readonly ledger: string | null }

/** @internal */
export type VoidOutcome = Exclude<PersistOutcome, { outcome: 'applied' }>

/** Rows, and the ledger of the same moment. @internal */
export interface RowSnapshot {
  readonly ledger: string | null
  /** The rows in the order of the keys, without rows whose values the model cannot have. `values` are stored texts; a missing row has none. */
  readonly rows: { key: string; values: string[] | undefined }[]
  /** Why rows cannot be read, by key. */
  readonly unreadable: ReadonlyMap<string, PersistError>
}

/** The database as the start sees it, before any batch is sent. @internal */
export interface Server {
  /**
   * Compares the tables of the models, and their ledgers, with what the statements need.
   * @throws ConfigurationError that names all that is missing, and what to do; or what the client throws
   */
  inspect(models: readonly Model[]): Promise<void>
  /**
   * Finds out which server this is.
   * @throws what the client throws when the database cannot be reached
   */
  identityRows(): Promise<IdentityRows>
  /**
   * Tells why the database refused a step of the start, and what to do. The words are the library's own, because a message of another library may
   * quote anything.
   * @param step the step that failed with `error`
   */
  describeRefusal(error: unknown, step: 'inspect' | 'bind', models: readonly Model[]): Promise<string>
}

/** Gives the row in which a ledger says to which namespace and place it belongs. @internal */
export type IdentityRows = (ledger: Ledger, shard: string) => IdentityRow

/** A row of a ledger that holds a random id, and the place where that id was made. @internal */
export interface IdentityRow {
  read(): Promise<{ readonly here: Place; readonly found: LedgerIdentity | undefined }>
  /**
   * Inserts the row. Does nothing if the row is there: the first of several processes decides. So the caller has to read the row again afterwards.
   */
  insert(identity: LedgerIdentity): Promise<void>
  /** Replaces the id of the row. Does nothing unless the row has the old id, because another process may have replaced it. */
  replace(old: string, identity: LedgerIdentity): Promise<void>
}

/** Where a ledger is. A copy of the ledger is elsewhere. @internal */
export interface Place {
  /** An identifier that a server shares with its replicas and with no other server; '' if it cannot be read. */
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
