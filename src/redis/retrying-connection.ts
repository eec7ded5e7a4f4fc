import type { Redis } from 'ioredis'
import { type ConfigurationError, UnavailableError, WriteBehindError } from '../errors.js'
import { problemOf } from './connection.js'
import { isFault, isFinal, mayHaveArrived, NoAnswer } from './failed-call.js'
import { isReply, named, withoutArguments } from './refusal.js'

/**
 * Bytes in a ms over the slowest link to Redis. Nobody can see when the operating system has sent the last byte of a call. So this speed tells for
 * how long a call may be on its way.
 */
const SLOWEST = 256

/** Ends a connection for good. If it has ended already, ioredis would keep the process alive for 2 s. */
export function disconnect(redis: Redis): void {
  if (redis.status !== 'end') redis.disconnect()
}

/** A call that was sent and waits for its answer. Times are by performance.now(). */
interface Attempt {
  deadline: number
  readonly since: number
  readonly bytes: number
  reject(error: Error): void
}

/**
 * Repeats a call until Redis answers or the timeout has passed. So it is only for calls that may be repeated. ioredis' own queues are off, because
 * ioredis would send a call in them long after the caller has got an error for it.
 *
 * If a call waits for an answer and the connection is silent for a third of the timeout, the connection is closed and opened again. Only silence
 * counts, and not the size of a call: the time begins when all bytes of the call can have been sent, and begins anew whenever a part of an answer
 * comes in.
 */
export class RetryingConnection {
  /** The options that the ioredis connection must have. */
  static readonly OPTIONS = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, lazyConnect: true } as const

  readonly #redis: Redis
  readonly #timeout: number
  readonly #silence: number
  /** The attempts that wait for their answers. */
  readonly #underWay = new Set<Attempt>()
  #bytesUnderWay = 0
  /** When the last answer came, and how many bytes had come in at the last check. */
  #answeredAt = 0
  #lookedAt = 0
  #received = 0
  #wasLate = false
  #movedAt = Number.NEGATIVE_INFINITY
  /** Fires at the earliest deadline. One timer serves all attempts, because nearly all are answered long before it fires. */
  #timer: NodeJS.Timeout | undefined
  #firesAt = Number.POSITIVE_INFINITY
  /** Calls that wait for the connection. Each function gets whether the connection is open. */
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

  /** The number of calls in flight. */
  get load(): number {
    return this.#underWay.size
  }

  /**
   * @param before is called before each attempt, when the connection is open. An error of it ends the call, unless it is NotYet
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
      if (this.#redis.status !== 'ready' && !(await this.#ready(deadline))) {
        throw new NoAnswer(sent, isReply(cause) ? cause : (problemOf(this.#redis) ?? cause))
      }
      try {
        const pause = before?.()
        if (pause !== undefined) await pause
        return await this.#attempt(send, deadline)
      } catch (failure) {
        if (isFault(failure)) throw failure
        const error = withoutArguments(failure)
        // The refusal concerns only this attempt. Redis may have carried out an earlier one.
        if (isFinal(error)) throw sent ? new NoAnswer(sent, error) : error
        sent ||= mayHaveArrived(error)
        // An answer of Redis says more than the later failure of the connection.
        if (isReply(error) || !isReply(cause)) cause = error
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, msUntil(deadline))))
      if (performance.now() >= deadline) throw new NoAnswer(sent, cause)
    }
  }

  /**
   * Calls something that may be carried out twice without harm.
   * @param model the model that the call is about; `undefined` if it is about all
   * @throws UnavailableError when Redis does not answer in time
   */
  async ask<T>(model: string | undefined, send: () => Promise<T>): Promise<T> {
    try {
      return await this.call(send)
    } catch (error) {
      throw error instanceof WriteBehindError || isFault(error) ? error : new UnavailableError(model, named(error))
    }
  }

  /** Sends nothing from now on, because this Redis belongs to another application. */
  refuse(error: ConfigurationError): void {
    this.#refusal = error
  }

  /** Call it before you end the connection, because ioredis reports no end if it was about to open the connection again. */
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
    // The timer need not keep the process alive, because the connection does.
    this.#timer = setTimeout(() => this.#look(), msUntil(time)).unref()
  }

  /** Ends the attempts whose deadline has passed, and the connection if it is silent. */
  #look(): void {
    const now = performance.now()
    const isLate = now - this.#firesAt > this.#silence / 4
    this.#firesAt = Number.POSITIVE_INFINITY
    // If the process was stopped for a while, this timer fires before the answers that came meanwhile are read.
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

  /** Whether bytes of a call are still sent, or a part of an answer has come in since the last check. */
  #isMoving(): boolean {
    const { writableLength = 0, bytesRead = 0 } = this.#redis.stream ?? {}
    const isComing = bytesRead !== this.#received && this.#answeredAt < this.#lookedAt
    this.#received = bytesRead
    return isComing || writableLength > 0
  }

  /** Uses the timeout of the socket, which fires if no byte is sent or received for that time. */
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
