import type { Queue } from 'bullmq'
import type { CachedModel } from './cached-model.js'
import {
  type CloseOptions,
  type CloseReport,
  checkCloseOptions,
  checkDrainOptions,
  type Drain,
  type DrainOptions,
  type DrainReport,
} from './close.js'
import { ClosedError, ConfigurationError } from './errors.js'
import type { Events } from './events.js'
import { createExtension, type Extension } from './extension/extension.js'
import type { Barrier, Count } from './flush/barrier.js'
import { within } from './flush/deadline.js'
import { checkFlushOptions, type FlushOptions, type NoModels } from './flush-options.js'
import type { Models } from './model/model.js'
import type { ResolvedOptions } from './options.js'
import { redact } from './redaction.js'
import type { Stoppable } from './service.js'
import type { OpenCalls } from './start/connections.js'
import { type ModelStatus, type ParkedRecord, Status } from './status.js'

/** Ms after its deadline that a close or a drain may still take to say what is left. */
const GRACE = 1000

/** @internal */
interface WriteBehindContext {
  readonly events: Events
  readonly models: readonly CachedModel[]
  readonly barrier: Barrier
  readonly calls: OpenCalls
  readonly role: ResolvedOptions['role']
  /** The parts that all models need. They are stopped last, in this order. */
  readonly services: readonly Stoppable[]
}

/** Everything but the models, which createWriteBehind adds by name. */
export class WriteBehind<C extends Models = NoModels> {
  /**
   * Emits `written`, `flushed`, `parked`, `unparked`, `adopted`, `backlog` and `failure` for what this process does. A listener that throws breaks
   * nothing.
   */
  readonly events: Events
  readonly #models: readonly CachedModel[]
  readonly #barrier: Barrier
  readonly #services: readonly Stoppable[]
  readonly #status: Status
  readonly #role: ResolvedOptions['role']
  #closing: Promise<CloseReport> | undefined

  /** @internal made by createWriteBehind */
  constructor({ events, models, barrier, calls, role, services }: WriteBehindContext) {
    this.events = events
    this.#models = models
    this.#barrier = barrier
    this.#role = role
    this.#services = services
    this.#status = new Status(calls, models)
  }

  /** The BullMQ queues of the flush jobs, one for each model; Bull Board takes them. */
  get queues(): readonly Queue[] {
    return this.#models.map(({ scheduler }) => scheduler.queue as Queue)
  }

  /**
   * Resolves when every write that was acknowledged before the call is in the database: of all models, of one model, or of one record. Retries
   * during an outage until the timeout. Tries parked records again.
   * @returns how many records this call itself has brought into the database, not counting those that a worker brought there first
   * @throws InvalidInputError when there is no such model or key
   * @throws ParkedError when the database refuses records; all others are in the database then
   * @throws PersistError with the code `OUTAGE` when the outage outlasts the timeout; at once, with the code `SCHEMA_MISMATCH`, when the table
   * does not fit the model
   * @throws TimeoutError when the timeout passes before everything is flushed
   * @throws UnavailableError when Redis refuses commands until the timeout
   * @throws ConfigurationError when the database is not the one that the namespace belongs to
   * @throws ClosedError
   */
  async flush(options: FlushOptions<C> = {}): Promise<{ records: number }> {
    const { models, key, timeout } = checkFlushOptions(options, this.#models)
    this.#checkOpen()
    const deadline = performance.now() + timeout
    let records = 0
    const count = (flushed: number) => {
      records += flushed
    }
    try {
      await this.#barrier.confirm(deadline)
      if (key === undefined) await this.#barrier.flush(models, deadline, count)
      else await this.#barrier.flushRecord(models[0] as CachedModel, key, deadline, count)
    } catch (error) {
      throw redact(error)
    }
    return { records }
  }

  /**
   * For `prisma.$extends(cache.extension())`. A call on the extended client goes through the cache if it is about one record of a model with a
   * policy. Before any other call, the library flushes the records that the call concerns. docs/extension.md says which call goes where. Apply it
   * after your other extensions.
   */
  extension(): Extension {
    return createExtension({ models: this.#models, barrier: this.#barrier, isClosed: () => this.#closing !== undefined })
  }

  /**
   * Starts to flush in this process, for all models. Resolves when the workers listen. Calling it again does no harm.
   * @throws ConfigurationError when the role of the process is `writer`
   * @throws UnavailableError when Redis cannot be reached within `writeTimeout`
   * @throws ClosedError
   */
  async startWorker(): Promise<void> {
    this.#checkOpen()
    if (this.#role === 'writer') throw new ConfigurationError('startWorker: expected options.role "all", got "writer"')
    await Promise.all(this.#models.map(({ worker }) => worker.start()))
    this.#checkOpen()
    await Promise.all(this.#models.map(({ sweeper }) => sweeper.start()))
  }

  /**
   * Flushes as `flush` does, and reports a failure instead of throwing it. Use it in a function that a schedule calls, in place of a worker that runs
   * all the time.
   * @throws InvalidInputError when an option is unknown or malformed
   * @throws ClosedError
   */
  async drain(options: DrainOptions = {}): Promise<DrainReport> {
    const { timeout } = checkDrainOptions(options)
    this.#checkOpen()
    const deadline = performance.now() + timeout
    let flushed = 0
    const flush = async () => {
      await this.#barrier.confirm(deadline)
      await this.#drain('all', deadline, (records) => {
        flushed += records
      })
    }
    const error = await flush().then(nothing, (failure) => redact(failure) as Error)
    return { flushed, ...(await this.#left(deadline + GRACE)), error }
  }

  /**
   * The status of every model, in the order of the policies.
   * @throws UnavailableError when Redis does not answer within `writeTimeout`
   * @throws ClosedError
   */
  async status(): Promise<ModelStatus[]> {
    this.#checkOpen()
    return this.#status.read()
  }

  /**
   * The records whose change the database refuses.
   * @throws UnavailableError when Redis does not answer within `writeTimeout`
   * @throws ClosedError
   */
  async parked(): Promise<ParkedRecord[]> {
    this.#checkOpen()
    return this.#status.parked()
  }

  /**
   * Refuses further calls, waits for writes and jobs under way, flushes what this process has written (or what `drain` says), and closes the
   * connections. What could not be flushed stays in Redis for the next worker. Calling it again returns the same report.
   * @throws InvalidInputError when an option is unknown or malformed
   */
  async close(options: CloseOptions = {}): Promise<CloseReport> {
    const { deadline, drain } = checkCloseOptions(options)
    this.#closing ??= this.#close(performance.now() + deadline, drain)
    return this.#closing
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError()
  }

  async #drain(drain: Drain, deadline: number, count: Count): Promise<void> {
    if (drain === 'all') await this.#barrier.flush(this.#models, deadline, count)
    if (drain === 'own') await this.#barrier.flushOwn(this.#models, deadline, count)
  }

  async #close(deadline: number, drain: Drain): Promise<CloseReport> {
    let flushed = 0
    const end = async () => {
      await stopAll(this.#models.map(({ cache }) => cache))
      await stopAll(this.#models.flatMap(({ sweeper, worker }) => [sweeper, worker]))
      await this.#drain(drain, deadline, (records) => {
        flushed += records
      })
    }
    await within(deadline, end()).catch((error: Error) => void this.events.emit('failure', { step: 'flush', model: undefined, error }))
    const grace = deadline + GRACE
    const left = await this.#left(grace)
    await Promise.allSettled(this.#models.map(({ scheduler }) => within(grace, scheduler.stop())))
    await Promise.allSettled(this.#models.map(({ worker }) => within(grace, worker.abandon())))
    // The close does not wait for this, because a Redis or a database that is away would delay it.
    void stopAll(this.#services)
    return { flushed, ...left }
  }

  async #left(deadline: number): Promise<Pick<CloseReport, 'dirty' | 'parked'>> {
    const statuses = await within(deadline, this.#status.read()).catch(() => undefined)
    return { dirty: total(statuses, 'dirty'), parked: total(statuses, 'parked') }
  }
}

/** A drain that succeeds has no error to report. */
function nothing(): undefined {}

async function stopAll(services: readonly Stoppable[]): Promise<void> {
  await Promise.all(services.map((service) => service.stop()))
}

function total(statuses: readonly ModelStatus[] | undefined, field: 'dirty' | 'parked'): number | undefined {
  return statuses?.reduce((sum, status) => sum + status[field], 0)
}
