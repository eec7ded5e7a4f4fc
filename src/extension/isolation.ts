/** What a transaction needs whose statements all see the database as it was before the first of them. */

const SNAPSHOT = /^(repeatable ?read|snapshot|serializable)$/i
/** SQL that chooses the isolation level. */
const CHOOSES_LEVEL = /\bisolation\s+level\b|\btransaction_isolation\b/i

/** What is needed of a client; the second is not documented. */
export interface IsolationClient {
  $queryRawUnsafe(sql: string): Promise<unknown>
  readonly _engineConfig?: { readonly transactionOptions?: { readonly isolationLevel?: unknown } }
}

/** Whether raw SQL in a transaction may change its isolation level. */
export function choosesLevel(sql: string): boolean {
  return CHOOSES_LEVEL.test(sql)
}

/** Knows the isolation level of transactions: from their options, the client's, or the database. */
export class Isolation {
  readonly #client: IsolationClient
  #default: Promise<unknown> | undefined

  constructor(client: IsolationClient) {
    this.#client = client
  }

  /** Whether what is flushed after the first statement of a transaction is not seen by the others. */
  async keepsSnapshot(options: unknown): Promise<boolean> {
    const { isolationLevel } = Object(options) as { isolationLevel?: unknown }
    const level = isolationLevel ?? this.#client._engineConfig?.transactionOptions?.isolationLevel ?? (await this.#ofDatabase())
    return SNAPSHOT.test(String(level))
  }

  /** Asked once; where it does not answer, it is asked again the next time, and taken for the worst. */
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
