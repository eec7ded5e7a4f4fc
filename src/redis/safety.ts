import type { Redis } from 'ioredis'
import { UnsafeRedisError } from '../errors.js'
import type { Events } from '../events.js'
import { isReply } from './refusal.js'
import { NotYet, type RetryingConnection } from './retrying-connection.js'
import { assess, type Findings } from './server-info.js'

/** Ms before a connection to a replica is given up for another one, which may reach the primary. */
const REPLICA_PAUSE = 500

export interface SafetyContext {
  readonly events: Events
  /** Whether writes stop where an eviction policy may lose them. */
  readonly onUnsafeRedis: 'stop' | 'warn'
  /** Ms between two looks. */
  readonly interval: number
}

/** What is known of the server at the other end of a connection. */
interface End {
  /** A look that writes by this connection wait for: the connection is new. */
  look: Promise<void> | undefined
  isReplica: boolean
}

/**
 * Looks at what Redis says of itself: at the start, on every new connection, and every few seconds. Where it would lose what it is given, writes
 * are refused before they are sent, until it is safe again; flushes go on. What cannot be told, or can be wanted, is a warning.
 */
export class Safety {
  readonly #context: SafetyContext
  readonly #ends = new Map<RetryingConnection, End>()
  #problem: string | undefined
  #evicted: number | undefined
  /** Redis writes down each refusal of a right (ACL LOG): it is asked for its configuration until it refuses. */
  #tellsConfig = true
  readonly #warned = new Set<string>()

  constructor(context: SafetyContext) {
    this.#context = context
  }

  /**
   * The look at the start, by a connection that is there; from now on it is looked at again and again, until the connection ends.
   * @throws UnsafeRedisError if this Redis would lose dirty data, or cannot run the scripts
   * @throws UnavailableError
   */
  async start(redis: Redis, connection: RetryingConnection): Promise<void> {
    const findings = await this.#ask(redis, connection)
    const problem = findings.replica ?? findings.problem ?? this.#stops(findings)
    if (problem !== undefined)
      throw new UnsafeRedisError(findings.evicted ? `${problem}; it has evicted ${findings.evicted} key(s) since its start` : problem)
    this.#note(findings)
    this.watch(redis, connection)
    const timer = setInterval(() => void this.#lookAgain(redis, connection), this.#context.interval).unref()
    redis.once('end', () => clearInterval(timer))
  }

  /** Has each new connection of the connection looked at before it carries writes. */
  watch(redis: Redis, connection: RetryingConnection): void {
    const end: End = { look: undefined, isReplica: false }
    this.#ends.set(connection, end)
    redis.on('ready', () => {
      end.isReplica = false
      const look = this.#look(redis, connection, end).finally(() => {
        if (end.look === look) end.look = undefined
      })
      end.look = look
    })
  }

  /**
   * Before a write is sent; a promise: it has to wait.
   * @throws UnsafeRedisError
   */
  beforeWrite(connection: RetryingConnection, model: string): Promise<void> | undefined {
    const end = this.#ends.get(connection)
    if (end?.look !== undefined) return end.look.then(() => this.#check(end, model))
    if (this.#problem !== undefined || end?.isReplica) this.#check(end, model)
    return undefined
  }

  #check(end: End | undefined, model: string): void {
    if (this.#problem !== undefined) throw new UnsafeRedisError(`${model}: ${this.#problem}`, { model })
    if (end?.isReplica) throw new NotYet('this Redis is a replica')
  }

  async #lookAgain(redis: Redis, connection: RetryingConnection): Promise<void> {
    const end = this.#ends.get(connection) as End
    if (redis.status === 'ready' && end.look === undefined) await this.#look(redis, connection, end)
  }

  /** Never throws: a Redis that does not answer takes no writes either. */
  async #look(redis: Redis, connection: RetryingConnection, end: End): Promise<void> {
    try {
      const findings = await this.#ask(redis, connection)
      end.isReplica = findings.replica !== undefined
      if (end.isReplica) setTimeout(() => this.#reconnect(redis), REPLICA_PAUSE).unref()
      else this.#note(findings)
    } catch (error) {
      this.#context.events.emit('failure', { step: 'safety', model: undefined, error: error as Error })
    }
  }

  #reconnect(redis: Redis): void {
    if (redis.status === 'ready') redis.disconnect(true)
  }

  async #ask(redis: Redis, connection: RetryingConnection): Promise<Findings> {
    const info = await connection.ask(undefined, () => orNothing(redis.info()))
    const settings = this.#tellsConfig ? await connection.ask(undefined, () => orNothing(readSettings(redis))) : undefined
    this.#tellsConfig = settings !== undefined
    return assess(info, settings)
  }

  #stops({ eviction }: Findings): string | undefined {
    return this.#context.onUnsafeRedis === 'stop' ? eviction : undefined
  }

  #note(findings: Findings): void {
    const { problem, eviction, warnings, evicted } = findings
    const lost = evicted !== undefined && this.#evicted !== undefined && evicted > this.#evicted ? evicted - this.#evicted : 0
    this.#evicted = evicted ?? this.#evicted
    if (lost > 0) this.#say(`Redis: it has evicted ${lost} key(s), which may have held writes that are not in the database`)
    const before = this.#problem
    this.#problem = problem ?? this.#stops(findings)
    if (this.#problem !== undefined && this.#problem !== before) this.#say(`${this.#problem}; writes are refused until it is mended`)
    else if (this.#problem === undefined && eviction !== undefined) this.#warn(eviction)
    for (const warning of warnings) this.#warn(warning)
  }

  /** Once. */
  #warn(warning: string): void {
    if (this.#warned.has(warning)) return
    this.#warned.add(warning)
    this.#say(warning)
  }

  #say(message: string): void {
    this.#context.events.emit('failure', { step: 'safety', model: undefined, error: new UnsafeRedisError(message) })
    process.emitWarning(message, { code: 'WRITE_BEHIND' })
  }
}

/** What Redis does not tell this user is not known; anything else is no answer. */
async function orNothing<T>(question: Promise<T>): Promise<T | undefined> {
  return question.catch((error: Error) => {
    if (isReply(error) && /^(NOPERM|ERR)\b/.test(error.message)) return undefined
    throw error
  })
}

async function readSettings(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const reply = (await redis.config('GET', 'maxmemory-policy', 'appendfsync', 'no-appendfsync-on-rewrite')) as string[]
  return new Map(reply.flatMap((name, n) => (n % 2 === 0 ? [[name, reply[n + 1] as string] as const] : [])))
}
