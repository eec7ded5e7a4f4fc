import type { Dialect, Server, SqlClient } from '../database/database.js'
import { toPersistError } from '../database/outcome.js'
import { ConfigurationError, type PersistError, UnavailableError, WriteBehindError } from '../errors.js'
import type { Events } from '../events.js'
import { within } from '../flush/deadline.js'
import type { Model } from '../model/model.js'
import type { Service } from '../service.js'
import { Binding } from './binding.js'
import type { OpenCalls } from './connections.js'
import { IdentityKey } from './identity.js'

/** Ms that a start waits for the database. Writes wait in Redis if it does not answer. */
const PATIENCE = 10_000
/** Ms between two checks that Redis still names the database, and between two attempts to reach the database. */
const INTERVAL = 2_000

export interface ConfirmationContext {
  readonly prisma: SqlClient
  readonly dialect: Dialect
  readonly namespace: string
  /** The models with a policy. */
  readonly models: readonly Model[]
  readonly calls: OpenCalls
  /** Called when the database turns out to be another one. */
  readonly refuse: (error: ConfigurationError) => void
  readonly events: Events
  /** Ms. */
  readonly statementTimeout: number
}

/**
 * Confirms that the database is the one whose writes Redis holds, and that its tables fit the schema. `createWriteBehind` does this before anything else.
 *
 * If the database is away at the start, it is asked again before the first statement and every 2 s. Until it has answered, writes go on in Redis, and
 * no statement is sent. The same happens when Redis has lost the key that names the database.
 */
export class Confirmation implements Service {
  /** The client of the application. Its statements wait until the database is confirmed. */
  readonly client: SqlClient
  readonly #context: ConfirmationContext
  readonly #binding: Binding
  readonly #server: Server
  #isConfirmed = false
  #refusal: ConfigurationError | undefined
  #underWay: Promise<void> | undefined
  #starting: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #look: Promise<void> | undefined
  #stopped = false

  constructor(context: ConfirmationContext) {
    this.#context = context
    const { prisma, dialect, namespace, calls, models } = context
    this.#server = dialect.server({ $queryRawUnsafe: (sql, ...values) => this.#ask(sql, values) })
    this.#binding = new Binding(namespace, new IdentityKey(calls.redis, calls.connection, namespace), models)
    this.client = {
      // A transaction does not wait: it is only sent after the database has refused rows, so the database is confirmed already.
      ...(prisma.$transaction === undefined ? {} : { $transaction: (statements) => prisma.$transaction?.(statements) as Promise<unknown> }),
      $queryRawUnsafe: <T>(sql: string, ...values: unknown[]): Promise<T> =>
        this.#isConfirmed
          ? prisma.$queryRawUnsafe<T>(sql, ...values)
          : this.confirm().then(() => prisma.$queryRawUnsafe<T>(sql, ...values)),
    }
  }

  /**
   * Resolves at once if no model has a policy. Resolves without an answer if the database is away.
   * @throws ConfigurationError when it is another database, or does not fit the schema
   * @throws UnavailableError when Redis is away
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Stops the checks, and resolves when the check under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#look
  }

  async #start(): Promise<void> {
    if (this.#context.models.length === 0) return
    try {
      await within(performance.now() + PATIENCE, this.confirm())
    } catch (error) {
      if (error instanceof ConfigurationError || error instanceof UnavailableError) throw error
      // Nobody can listen to `failure` yet, because there is no cache yet.
      warn(
        'the database could not be asked whether it belongs to the namespace and fits the schema; writes wait in Redis until it answers; ' +
          this.#reasonOf(error),
      )
      this.#report(error)
    }
    this.#watch()
  }

  /**
   * Resolves when the database is confirmed.
   * @throws ConfigurationError when it is another database, or does not fit the schema
   * @throws UnavailableError when Redis is away
   * @throws PersistError when the database is away
   */
  async ready(): Promise<void> {
    const [model] = this.#context.models
    if (this.#isConfirmed || model === undefined) return
    try {
      await this.confirm()
    } catch (error) {
      throw error instanceof WriteBehindError ? error : this.#persistError(model.name, error)
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
    // A key of another version of this library is refused even if the database is away.
    const bound = await this.#refusing(this.#binding.read())
    let step: 'inspect' | 'bind' = 'inspect'
    try {
      await this.#server.inspect(models)
      step = 'bind'
      const rows = await this.#server.identityRows()
      for (const warning of await this.#refusing(this.#binding.confirm(bound, rows))) warn(warning)
    } catch (error) {
      if (error instanceof ConfigurationError || error instanceof UnavailableError || this.#isOutage(error)) throw error
      throw new ConfigurationError(await this.#server.describeRefusal(error, step, models))
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

  /** Refuses all calls of this process, because its writes would go to the wrong database. */
  #refuse(error: ConfigurationError): void {
    this.#refusal = error
    this.#isConfirmed = false
    this.#context.refuse(error)
  }

  #ask<T>(sql: string, values: readonly unknown[]): Promise<T> {
    const { prisma, statementTimeout } = this.#context
    return within(performance.now() + statementTimeout, prisma.$queryRawUnsafe<T>(sql, ...values))
  }

  #watch(): void {
    if (this.#stopped || this.#refusal !== undefined) return
    this.#timer = setTimeout(() => {
      this.#look = this.#lookAgain().finally(() => this.#watch())
    }, INTERVAL).unref()
  }

  async #lookAgain(): Promise<void> {
    if (this.#refusal !== undefined) return
    try {
      if (this.#isConfirmed && !(await this.#binding.isKept())) this.#isConfirmed = false
      if (!this.#isConfirmed) await this.confirm()
    } catch (error) {
      // The connection itself reports that Redis is away.
      if (!(error instanceof UnavailableError)) this.#report(error)
    }
  }

  #report(error: unknown): void {
    const { events, models } = this.#context
    const model = models[0]?.name ?? ''
    events.emit('failure', {
      step: 'confirm',
      model: undefined,
      error: error instanceof ConfigurationError ? error : this.#persistError(model, error),
    })
  }

  #persistError(model: string, error: unknown): PersistError {
    return toPersistError(model, this.#context.dialect.classify(error))
  }

  #isOutage(error: unknown): boolean {
    return this.#context.dialect.classify(error).code === 'OUTAGE'
  }

  /** Says why the database does not answer. The words are the library's own, because a message of another library may quote anything. */
  #reasonOf(error: unknown): string {
    const { explanation } = this.#context.dialect.classify(error)
    const { message } = this.#persistError('the reason', error)
    return explanation === undefined ? message : `${message}: ${explanation}`
  }
}

function warn(message: string): void {
  process.emitWarning(message, { code: 'WRITE_BEHIND' })
}
