import type { Redis } from 'ioredis'
import { UnsafeRedisError } from '../errors.js'
import type { Events } from '../events.js'
import type { Service } from '../service.js'
import { NotYet } from './failed-call.js'
import { isReply } from './refusal.js'
import type { RetryingConnection } from './retrying-connection.js'
import { assess, type Findings } from './server-info.js'

/** Ms before a connection to a replica is opened again. The new one may reach the primary. */
const REPLICA_PAUSE = 500

export interface SafetyContext {
  /** The connection for the regular checks. */
  readonly redis: Redis
  readonly connection: RetryingConnection
  readonly events: Events
  /** What happens to writes while Redis may evict them. */
  readonly onUnsafeRedis: 'stop' | 'warn'
  /** Ms between two checks. */
  readonly interval: number
}

/** The server at the other end of a connection. */
interface End {
  /** The check of a new connection. Writes by this connection wait for it. */
  look: Promise<void> | undefined
  isReplica: boolean
}

/**
 * Checks what Redis says about itself: at the start, on every new connection, and every few seconds. While Redis could lose writes, they are refused
 * before they are sent. Flushes go on. If Redis does not tell something, or if a setting may be intended, there is only a warning.
 */
export class Safety implements Service {
  readonly #context: SafetyContext
  readonly #ends = new Map<RetryingConnection, End>()
  #problem: string | undefined
  #evicted: number | undefined
  /** False once Redis has refused to tell its configuration. It is not asked again then, because each refusal gets into its ACL LOG. */
  #tellsConfig = true
  readonly #warned = new Set<string>()
  readonly #looks = new Set<Promise<void>>()
  #starting: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(context: SafetyContext) {
    this.#context = context
  }

  /**
   * Checks Redis once, and regularly from then on.
   * @throws UnsafeRedisError if this Redis would lose dirty data, or cannot run the scripts
   * @throws UnavailableError when Redis does not answer in time
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Ends the regular checks. Resolves when the checks in flight have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await Promise.all(this.#looks)
  }

  async #start(): Promise<void> {
    const { redis, connection, interval } = this.#context
    const findings = await this.#ask(redis, connection)
    const problem = findings.replica ?? findings.problem ?? this.#stops(findings)
    if (problem !== undefined)
      throw new UnsafeRedisError(findings.evicted ? `${problem}; it has evicted ${findings.evicted} key(s) since its start` : problem)
    this.#note(findings)
    this.watch(redis, connection)
    if (!this.#stopped) this.#timer = setInterval(() => this.#lookAgain(), interval).unref()
  }

  /** Checks Redis whenever this connection was opened anew, before it carries writes. */
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
   * Must be called before a write is sent.
   * @returns a promise if the write must wait for a check
   * @throws UnsafeRedisError when Redis could lose the write
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

  #lookAgain(): void {
    const { redis, connection } = this.#context
    const end = this.#ends.get(connection) as End
    if (redis.status === 'ready' && end.look === undefined) void this.#look(redis, connection, end)
  }

  #look(redis: Redis, connection: RetryingConnection, end: End): Promise<void> {
    const look = this.#tryToLook(redis, connection, end).finally(() => this.#looks.delete(look))
    this.#looks.add(look)
    return look
  }

  /** Never throws, because a Redis that does not answer takes no writes either. */
  async #tryToLook(redis: Redis, connection: RetryingConnection, end: End): Promise<void> {
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

  /** Warns once about each thing. */
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

/** `undefined` if Redis refuses to tell this user. Other errors are thrown. */
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
