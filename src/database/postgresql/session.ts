import { ConfigurationError, PersistError } from '../../errors.js'
import type { SqlClient } from '../database.js'
import { noAnswer, toPersistError } from '../outcome.js'
import { classify } from './sqlstate.js'

/** Sends statements for one model, and waits for each no longer than a statement may take. */
export class Session {
  readonly client: SqlClient
  /** Ms. */
  readonly timeout: number
  readonly #model: string

  constructor(client: SqlClient, model: string, timeout: number) {
    this.client = client
    this.timeout = timeout
    this.#model = model
  }

  /**
   * Sends one statement.
   * @throws PersistError, and ConfigurationError if the client belongs to another database
   */
  async query<T>(sql: string, ...values: unknown[]): Promise<T[]> {
    try {
      return await this.inTime(this.client.$queryRawUnsafe<T[]>(sql, ...values))
    } catch (error) {
      if (error instanceof PersistError || error instanceof ConfigurationError) throw error
      throw toPersistError(this.#model, classify(error))
    }
  }

  /** @throws PersistError when there is no answer in time, and whatever the statement throws */
  async inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(noAnswer(this.#model)), this.timeout)
    })
    try {
      return await Promise.race([answer, silence])
    } finally {
      clearTimeout(timer)
    }
  }
}
