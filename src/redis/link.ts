import type { Redis } from 'ioredis'
import { UnavailableError } from '../errors.js'

/** A call was not answered within the link's timeout. `sent`: Redis may have carried it out. */
export class LinkTimeout extends Error {
  readonly sent: boolean

  constructor(sent: boolean, cause: unknown) {
    super(sent ? 'Redis did not answer in time' : 'Redis could not be reached in time', { cause })
    this.sent = sent
  }
}

/** Replies with which Redis turns a command away before it does anything, and which pass by themselves. */
const TURNED_AWAY = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|UNBLOCKED)\b/

const NOT_WRITTEN = /isn't writeable/

/** What Redis itself answered; anything else is the connection's failure. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

export function isTurnedAway(error: unknown): error is Error {
  return isReply(error) && TURNED_AWAY.test(error.message)
}

/** A fault of this library's, or of what it was given: to repeat the call would say the same later. */
function isFault(error: unknown): boolean {
  return error instanceof RangeError || error instanceof TypeError || error instanceof ReferenceError
}

/** ioredis hangs the call's arguments on its errors: values of rows, which have no place in a log. */
export function withoutArguments<E>(error: E): E {
  if (isReply(error)) Reflect.deleteProperty(error, 'command')
  return error
}

/** ioredis holds the process up for 2 s when a connection is disconnected that has ended. */
export function disconnect(redis: Redis): void {
  if (redis.status !== 'end') redis.disconnect()
}

/** Something that was sent, and waits for its answer. */
interface Attempt {
  /** By performance.now(). */
  readonly deadline: number
  reject(error: Error): void
}

/**
 * A connection for calls that may be repeated: it repeats them until Redis answers or the timeout has passed. ioredis' own queues are
 * off, because what lies in them is sent long after its caller was told that it failed.
 */
export class Link {
  /** Options for `redis.duplicate`, with which a link can keep its promise. */
  static options(timeout: number) {
    return {
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      socketTimeout: Math.ceil(timeout / 3),
      retryStrategy: (attempt: number) => Math.min(50 * attempt, 500),
      lazyConnect: true,
    }
  }

  readonly #redis: Redis
  readonly #timeout: number
  /** Attempts under way, each with a connection that may be lost. */
  readonly #underWay = new Set<Attempt>()
  /** Of the attempt that has to be answered first: one for all of them, since nearly every one is answered long before. */
  #timer: NodeJS.Timeout | undefined
  #firesAt = Number.POSITIVE_INFINITY
  /** Calls that wait for the connection: told whether it is there. */
  readonly #waiting = new Set<(ready: boolean) => void>()
  #closed = false

  constructor(redis: Redis, timeout: number) {
    this.#redis = redis
    this.#timeout = timeout
    redis.on('ready', () => this.#tell(true))
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
   * @throws LinkTimeout when Redis did not answer in time
   * @throws ioredis' ReplyError when it answered with one
   */
  async call<T>(send: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#timeout
    let sent = false
    let cause: unknown
    for (;;) {
      if (this.#redis.status !== 'ready' && !(await this.#ready(deadline))) throw new LinkTimeout(sent, cause)
      try {
        return await this.#attempt(send, deadline)
      } catch (failure) {
        if (isFault(failure)) throw failure
        const error = withoutArguments(failure)
        // Of a call that may have been carried out before, a refusal says nothing.
        if (isReply(error) && !isTurnedAway(error)) throw sent ? new LinkTimeout(sent, error) : error
        sent ||= !isReply(error) && !NOT_WRITTEN.test((error as Error).message)
        cause = error
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, msUntil(deadline))))
      if (performance.now() >= deadline) throw new LinkTimeout(sent, cause)
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
      throw isFault(error) ? error : new UnavailableError(model, error)
    }
  }

  /** Before the connection is ended: ioredis does not say that one has ended which it was about to open again. */
  close(): void {
    this.#closed = true
    this.#tell(false)
  }

  #attempt<T>(send: () => Promise<T>, deadline: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = { deadline, reject }
      this.#underWay.add(attempt)
      this.#watch(deadline)
      const lose = (error: Error) => this.#lose(attempt, error)
      try {
        send().then((value) => {
          this.#underWay.delete(attempt)
          resolve(value)
        }, lose)
      } catch (error) {
        lose(error as Error)
      }
    })
  }

  #lose(attempt: Attempt, error: Error): void {
    this.#underWay.delete(attempt)
    attempt.reject(error)
  }

  #watch(deadline: number): void {
    if (this.#firesAt <= deadline) return
    clearTimeout(this.#timer)
    this.#firesAt = deadline
    // It is the connection that keeps the process alive.
    this.#timer = setTimeout(() => this.#expire(), msUntil(deadline)).unref()
  }

  #expire(): void {
    this.#firesAt = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (const attempt of this.#underWay) {
      if (attempt.deadline <= now) this.#lose(attempt, new Error('no answer'))
      else this.#watch(attempt.deadline)
    }
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
