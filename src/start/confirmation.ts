import type { Redis } from 'ioredis'
import { toPersistError } from '../database/failure.js'
import type { SqlClient } from '../database/postgresql/database.js'
import { inspect } from '../database/postgresql/inspection.js'
import { type Ask, readSystem } from '../database/postgresql/place.js'
import { describeRefusal, reasonOf } from '../database/postgresql/reason.js'
import { ConfigurationError, UnavailableError, WriteBehindError } from '../errors.js'
import type { Events } from '../events.js'
import { within } from '../flush/barrier.js'
import type { Model } from '../model/model.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import type { Calls } from '../write/writer.js'
import { Binding } from './binding.js'
import { IdentityKey } from './identity.js'

/** Ms that a start waits for the database: without it, what is written waits in Redis. */
const PATIENCE = 10_000
/** Ms between two looks whether Redis still names the database, or tries to reach the database. */
const INTERVAL = 2_000

export interface ConfirmationContext {
  readonly prisma: SqlClient
  readonly namespace: string
  /** Those that are used. */
  readonly models: readonly Model[]
  readonly calls: Calls & { readonly redis: Redis }
  /** Which are refused once the database is known to be another. */
  readonly retrying: readonly RetryingConnection[]
  readonly events: Events
  /** Ms. */
  readonly statementTimeout: number
}

/**
 * That the database is the one whose writes Redis holds, and that its tables fit the schema. `createWriteBehind` asks before it does anything else.
 * A database that is away then is asked again: before the first statement, and every 2 s. Until it has answered, writes go on in Redis, under the
 * namespace that Redis has, and no statement is sent. So it is when Redis has forgotten whose it is.
 */
export class Confirmation {
  /** The application's, once the database is confirmed: its statements wait for that. */
  readonly client: SqlClient
  readonly #context: ConfirmationContext
  readonly #binding: Binding
  #isConfirmed = false
  #refusal: ConfigurationError | undefined
  #underWay: Promise<void> | undefined

  constructor(context: ConfirmationContext) {
    this.#context = context
    const { prisma, namespace, calls, models } = context
    this.#binding = new Binding(namespace, new IdentityKey(calls.redis, calls.connection, namespace), models)
    this.client = {
      // Only rows that were refused are tried: by then the database is confirmed.
      ...(prisma.$transaction === undefined ? {} : { $transaction: (statements) => prisma.$transaction?.(statements) as Promise<unknown> }),
      $queryRawUnsafe: <T>(sql: string, ...values: unknown[]): Promise<T> =>
        this.#isConfirmed
          ? prisma.$queryRawUnsafe<T>(sql, ...values)
          : this.confirm().then(() => prisma.$queryRawUnsafe<T>(sql, ...values)),
    }
  }

  /**
   * Resolves at once where nothing is used, and without an answer of the database when it is away.
   * @throws ConfigurationError when it is another database, or does not fit the schema
   * @throws UnavailableError when Redis is away
   */
  async start(): Promise<this> {
    if (this.#context.models.length === 0) return this
    try {
      await within(performance.now() + PATIENCE, this.confirm())
    } catch (error) {
      if (error instanceof ConfigurationError || error instanceof UnavailableError) throw error
      // Nobody listens to `failure` before the cache is there.
      warn(
        'the database could not be asked whether it is the right one and fits the schema; nothing is flushed before it has answered; ' +
          reasonOf(error),
      )
      this.#report(error)
    }
    this.#watch()
    return this
  }

  /**
   * Resolves when the database is confirmed.
   * @throws ConfigurationError when it is another database, or does not fit the schema
   * @throws UnavailableError when Redis is away
   * @throws PersistError when the database is
   */
  async ready(): Promise<void> {
    const [model] = this.#context.models
    if (this.#isConfirmed || model === undefined) return
    try {
      await this.confirm()
    } catch (error) {
      throw error instanceof WriteBehindError ? error : toPersistError(model.name, error)
    }
  }

  /**
   * @throws ConfigurationError when it is another database, or does not fit the schema
   * @throws UnavailableError when Redis is away, and what the client throws
   */
  confirm(): Promise<void> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    this.#underWay ??= this.#confirm().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  async #confirm(): Promise<void> {
    const { models } = this.#context
    const ask: Ask = (sql, ...values) => this.#ask(sql, values)
    // What Redis says of a later version of this library counts without the database, too.
    const bound = await this.#refusing(this.#binding.read())
    let step: 'inspect' | 'bind' = 'inspect'
    try {
      await inspect(ask, models)
      step = 'bind'
      const system = await readSystem(ask, isOutage)
      for (const warning of await this.#refusing(this.#binding.confirm(bound, ask, system))) warn(warning)
    } catch (error) {
      if (error instanceof ConfigurationError || error instanceof UnavailableError || isOutage(error)) throw error
      const ledgers = models.map(({ ledger }) => ledger)
      throw new ConfigurationError(await describeRefusal(error, step, ask, ledgers))
    }
    this.#isConfirmed = true
  }

  async #refusing<T>(step: Promise<T>): Promise<T> {
    try {
      return await step
    } catch (error) {
      if (error instanceof ConfigurationError) this.#refuse(error)
      throw error
    }
  }

  /** Whatever this process writes would come into the other database. */
  #refuse(error: ConfigurationError): void {
    this.#refusal = error
    this.#isConfirmed = false
    for (const connection of this.#context.retrying) connection.refuse(error)
  }

  #ask<T>(sql: string, values: readonly unknown[]): Promise<T[]> {
    const { prisma, statementTimeout } = this.#context
    return within(performance.now() + statementTimeout, prisma.$queryRawUnsafe<T[]>(sql, ...values))
  }

  #watch(): void {
    setTimeout(() => {
      if (this.#context.calls.redis.status === 'end' || this.#refusal !== undefined) return
      void this.#look().finally(() => this.#watch())
    }, INTERVAL).unref()
  }

  async #look(): Promise<void> {
    if (this.#refusal !== undefined) return
    try {
      if (this.#isConfirmed && !(await this.#binding.isKept())) this.#isConfirmed = false
      if (!this.#isConfirmed) await this.confirm()
    } catch (error) {
      // A Redis that is away is reported by its connection.
      if (!(error instanceof UnavailableError)) this.#report(error)
    }
  }

  #report(error: unknown): void {
    const { events, models } = this.#context
    const model = models[0]?.name ?? ''
    events.emit('failure', {
      step: 'confirm',
      model: undefined,
      error: error instanceof ConfigurationError ? error : toPersistError(model, error),
    })
  }
}

function isOutage(error: unknown): boolean {
  return toPersistError('', error).code === 'OUTAGE'
}

function warn(message: string): void {
  process.emitWarning(message, { code: 'WRITE_BEHIND' })
}
