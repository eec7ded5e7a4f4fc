import type { Redis } from 'ioredis'

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
  /** Calls under way: what rejects them when the connection is lost. */
  readonly #underWay = new Set<(error: Error) => void>()

  constructor(redis: Redis, timeout: number) {
    this.#redis = redis
    this.#timeout = timeout
    // Every lane of every model may wait for the connection.
    redis.setMaxListeners(0)
    redis.on('close', () => {
      for (const lose of this.#underWay) lose(new Error('the connection to Redis was lost'))
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
      if (!(await this.#ready(deadline))) throw new LinkTimeout(sent, cause)
      try {
        return await this.#attempt(send, deadline)
      } catch (error) {
        if (isReply(error) && !TURNED_AWAY.test(error.message)) throw error
        sent ||= !isReply(error) && !NOT_WRITTEN.test((error as Error).message)
        cause = error
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, Math.max(0, deadline - performance.now()))))
    }
  }

  #attempt<T>(send: () => Promise<T>, deadline: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => lose(new Error('no answer')), Math.max(0, deadline - performance.now()))
      const done = () => {
        clearTimeout(timer)
        this.#underWay.delete(lose)
      }
      const lose = (error: Error) => {
        done()
        reject(error)
      }
      this.#underWay.add(lose)
      send().then((value) => {
        done()
        resolve(value)
      }, lose)
    })
  }

  #ready(deadline: number): Promise<boolean> {
    const left = deadline - performance.now()
    if (left <= 0) return Promise.resolve(false)
    if (this.#redis.status === 'ready') return Promise.resolve(true)
    return new Promise((resolve) => {
      const settle = (ready: boolean) => {
        clearTimeout(timer)
        this.#redis.off('ready', onReady)
        this.#redis.off('end', onEnd)
        resolve(ready)
      }
      const onReady = () => settle(true)
      const onEnd = () => settle(false)
      const timer = setTimeout(onEnd, left)
      this.#redis.once('ready', onReady)
      this.#redis.once('end', onEnd)
    })
  }
}
