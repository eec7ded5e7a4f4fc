import type { Redis } from 'ioredis'
import { type ConfigurationError, UnavailableError, WriteBehindError } from '../errors.js'
import { OwnError } from '../redaction.js'
import { problemOf } from './connection.js'
import { isReply, isTurnedAway, named, withoutArguments } from './refusal.js'

/** A call was not answered within the connection's timeout. `sent`: Redis may have carried it out. */
export class NoAnswer extends OwnError {
  readonly sent: boolean

  constructor(sent: boolean, problem: unknown) {
    const cause = named(problem)
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    super(`${sent ? 'Redis did not answer in time' : 'Redis could not be reached in time'}${reason}`, { cause })
    this.sent = sent
  }
}

/** A call is not to be sent now, but maybe later. */
export class NotYet extends OwnError {}

const NOT_WRITTEN = /isn't writeable/

/**
 * Bytes a ms that the slowest way to Redis carries. What was handed to the operating system is under way for so long; nobody can see when
 * the last of it leaves.
 */
const SLOWEST = 256

/** A fault of this library's, or of what it was given: to repeat the call would say the same later. */
function isFault(error: unknown): boolean {
  return error instanceof RangeError || error instanceof TypeError || error instanceof ReferenceError
}

/** ioredis holds the process up for 2 s when a connection is disconnected that has ended. */
export function disconnect(redis: Redis): void {
  if (redis.status !== 'end') redis.disconnect()
}

/** Something that was sent, and waits for its answer. Times are by performance.now(). */
interface Attempt {
  deadline: number
  readonly since: number
  readonly bytes: number
  reject(error: Error): void
}

/**
 * A connection for calls that may be repeated: it repeats them until Redis answers or the timeout has passed. ioredis' own queues are
 * off, because what lies in them is sent long after its caller was told that it failed.
 *
 * A connection that owes an answer, and is silent for a third of the timeout, is given up, and another one made. The times are about
 * silence and not about size: they begin when what was sent can have left, and go on while an answer comes in.
 */
export class RetryingConnection {
  /** Options of the connection, with which a connection can keep its promise. */
  static readonly OPTIONS = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, lazyConnect: true } as const

  readonly #redis: Redis
  readonly #timeout: number
  readonly #silence: number
  /** Attempts under way, each with a connection that may be lost. */
  readonly #underWay = new Set<Attempt>()
  #bytesUnderWay = 0
  /** When an attempt was answered last, and what the connection had received at the last look. */
  #answeredAt = 0
  #lookedAt = 0
  #received = 0
  #wasLate = false
  #movedAt = Number.NEGATIVE_INFINITY
  /** Of the first thing to be looked at: one for all attempts, since nearly every one is answered long before. */
  #timer: NodeJS.Timeout | undefined
  #firesAt = Number.POSITIVE_INFINITY
  /** Calls that wait for the connection: told whether it is there. */
  readonly #waiting = new Set<(ready: boolean) => void>()
  #closed = false
  #refusal: Error | undefined

  constructor(redis: Redis, timeout: number) {
    this.#redis = redis
    this.#timeout = timeout
    this.#silence = timeout / 3
    redis.on('ready', () => {
      this.#watchSocket()
      this.#tell(true)
    })
    redis.on('end', () => this.#tell(false))
    redis.on('close', () => {
      for (const attempt of this.#underWay) this.#lose(attempt, new Error('the connection to Redis was lost'))
    })
  }

  /** Calls under way. */
  get load(): number {
    return this.#underWay.size
  }

  /**
   * @param before is called before each attempt, when the connection is there; what it throws ends the call, but for NotYet
   * @throws NoAnswer when Redis did not answer in time
   * @throws ioredis' ReplyError when it answered with one
   * @throws ConfigurationError when calls are refused
   */
  async call<T>(send: () => Promise<T>, before?: () => Promise<void> | undefined): Promise<T> {
    if (this.#refusal !== undefined) throw this.#refusal
    const deadline = performance.now() + this.#timeout
    let sent = false
    let cause: unknown
    for (;;) {
      if (this.#redis.status !== 'ready' && !(await this.#ready(deadline))) throw new NoAnswer(sent, problemOf(this.#redis) ?? cause)
      try {
        const pause = before?.()
        if (pause !== undefined) await pause
        return await this.#attempt(send, deadline)
      } catch (failure) {
        if (isFault(failure)) throw failure
        const error = withoutArguments(failure)
        // Of a call that may have been carried out before, a refusal says nothing.
        if (isFinal(error)) throw sent ? new NoAnswer(sent, error) : error
        sent ||= mayHaveArrived(error)
        cause = error
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, msUntil(deadline))))
      if (performance.now() >= deadline) throw new NoAnswer(sent, cause)
    }
  }

  /**
   * As `call`, of what changes nothing that would be counted twice.
   * @param model that it is about; `undefined`: all of them
   * @throws UnavailableError
   */
  async ask<T>(model: string | undefined, send: () => Promise<T>): Promise<T> {
    try {
      return await this.call(send)
    } catch (error) {
      throw error instanceof WriteBehindError || isFault(error) ? error : new UnavailableError(model, named(error))
    }
  }

  /** From now on nothing is sent any more: this Redis is not the application's. */
  refuse(error: ConfigurationError): void {
    this.#refusal = error
  }

  /** Before the connection is ended: ioredis does not say that one has ended which it was about to open again. */
  close(): void {
    this.#closed = true
    this.#tell(false)
  }

  #attempt<T>(send: () => Promise<T>, deadline: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const before = this.#bytesSent()
      const answer = send()
      const bytes = this.#bytesSent() - before
      this.#bytesUnderWay += bytes
      const attempt = { deadline: deadline + this.#msOnTheWay(), since: performance.now(), bytes, reject }
      this.#underWay.add(attempt)
      this.#lookAt(Math.min(attempt.deadline, attempt.since + this.#silence + this.#msOnTheWay()))
      answer.then(
        (value) => {
          this.#answeredAt = performance.now()
          this.#end(attempt)
          resolve(value)
        },
        (error) => {
          this.#answeredAt = performance.now()
          this.#lose(attempt, error)
        },
      )
    })
  }

  #end(attempt: Attempt): void {
    if (this.#underWay.delete(attempt)) this.#bytesUnderWay -= attempt.bytes
  }

  #lose(attempt: Attempt, error: Error): void {
    this.#end(attempt)
    attempt.reject(error)
  }

  #bytesSent(): number {
    return this.#redis.stream?.bytesWritten ?? 0
  }

  #msOnTheWay(): number {
    return this.#bytesUnderWay / SLOWEST
  }

  #lookAt(time: number): void {
    if (this.#firesAt <= time) return
    clearTimeout(this.#timer)
    this.#firesAt = time
    // It is the connection that keeps the process alive.
    this.#timer = setTimeout(() => this.#look(), msUntil(time)).unref()
  }

  /** Ends attempts whose time has passed, and a connection that is silent. */
  #look(): void {
    const now = performance.now()
    const isLate = now - this.#firesAt > this.#silence / 4
    this.#firesAt = Number.POSITIVE_INFINITY
    // A process that stood still looks before it has read what came meanwhile.
    this.#wasLate = isLate && !this.#wasLate
    if (this.#wasLate) {
      this.#lookAt(now + this.#silence / 4)
      return
    }
    if (this.#isMoving()) this.#movedAt = now
    this.#lookedAt = now
    const movesUntil = this.#movedAt > this.#answeredAt ? this.#movedAt + this.#silence : now
    let next = Number.POSITIVE_INFINITY
    for (const attempt of this.#underWay) {
      if (attempt.deadline <= now) attempt.deadline = Math.max(attempt.deadline, movesUntil)
      if (attempt.deadline <= now) this.#lose(attempt, new Error('no answer'))
      else next = Math.min(next, attempt.deadline)
    }
    const [oldest] = this.#underWay
    if (oldest === undefined) return
    const heard = Math.max(oldest.since, this.#answeredAt, this.#movedAt)
    const silentAt = heard + this.#silence + this.#msOnTheWay()
    if (now >= silentAt) this.#giveUp()
    else this.#lookAt(Math.min(next, silentAt))
  }

  /** Whether what was sent still leaves this process, or a part of an answer has come since the last look. */
  #isMoving(): boolean {
    const { writableLength = 0, bytesRead = 0 } = this.#redis.stream ?? {}
    const isComing = bytesRead !== this.#received && this.#answeredAt < this.#lookedAt
    this.#received = bytesRead
    return isComing || writableLength > 0
  }

  /** Node's timer sees how much of what was sent has left; it runs out when nothing moves. */
  #watchSocket(): void {
    const { stream } = this.#redis
    this.#received = stream.bytesRead
    stream.setTimeout(this.#silence)
    stream.on('timeout', () => {
      if (stream.writableLength > 0) this.#giveUp()
    })
  }

  #giveUp(): void {
    this.#redis.stream.destroy(new Error('the connection to Redis was silent'))
  }

  #ready(deadline: number): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    return new Promise((resolve) => {
      const settle = (ready: boolean) => {
        clearTimeout(timer)
        this.#waiting.delete(settle)
        resolve(ready)
      }
      const timer = setTimeout(() => settle(false), msUntil(deadline))
      this.#waiting.add(settle)
    })
  }

  #tell(ready: boolean): void {
    for (const settle of this.#waiting) settle(ready)
  }
}

function msUntil(deadline: number): number {
  return Math.max(0, deadline - performance.now())
}

/** Whether it makes no sense to send the call again. */
function isFinal(error: unknown): boolean {
  return isOwnFault(error) || error instanceof WriteBehindError || (isReply(error) && !isTurnedAway(error))
}

function mayHaveArrived(error: unknown): boolean {
  return !isReply(error) && !(error instanceof NotYet) && !NOT_WRITTEN.test((error as Error).message)
}

/** Of the library, or of what it was given: it fails the same way whenever it is tried. */
export function isOwnFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError
}
