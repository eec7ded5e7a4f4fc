/** Tells which transactions keep a snapshot. All statements of such a transaction see the database as it was before the first one. */

const SNAPSHOT = /^(repeatable ?read|snapshot|serializable)$/i
/** Finds SQL that chooses the isolation level. */
const CHOOSES_LEVEL = /\bisolation\s+level\b|\btransaction_isolation\b/i

/** The parts of a client that are used here. The second one is not documented. */
export interface IsolationClient {
  $queryRawUnsafe(sql: string): Promise<unknown>
  readonly _engineConfig?: { readonly transactionOptions?: { readonly isolationLevel?: unknown } }
}

/** Whether raw SQL in a transaction may change its isolation level. */
export function choosesLevel(sql: string): boolean {
  return CHOOSES_LEVEL.test(sql)
}

/** Finds out the isolation level of transactions: from their options, from the client's options, or from the database. */
export class Isolation {
  readonly #client: IsolationClient
  #default: Promise<unknown> | undefined

  constructor(client: IsolationClient) {
    this.#client = client
  }

  /** Whether a transaction does not see what is flushed after its first statement. */
  async keepsSnapshot(options: unknown): Promise<boolean> {
    const { isolationLevel } = Object(options) as { isolationLevel?: unknown }
    const level = isolationLevel ?? this.#client._engineConfig?.transactionOptions?.isolationLevel ?? (await this.#ofDatabase())
    return SNAPSHOT.test(String(level))
  }

  /** Asks the database once. If it does not answer, the strictest level is assumed, and the next transaction asks again. */
  async #ofDatabase(): Promise<unknown> {
    this.#default ??= this.#client.$queryRawUnsafe(`select current_setting('default_transaction_isolation') as level`)
    try {
      const [row] = (await this.#default) as [{ level: unknown }]
      return row.level
    } catch {
      this.#default = undefined
      return 'serializable'
    }
  }
}
