import { AsyncLocalStorage } from 'node:async_hooks'
import type { Hold } from '../read/holds.js'
import type { Isolation } from './isolation.js'
import type { Concern } from './surveyor.js'

/** What a call does to a record. Each grade includes the grades before it. */
const GRADES = ['refers', 'reads', 'changes'] as const

function gradesFrom({ changes, referred }: Concern): readonly (typeof GRADES)[number][] {
  return GRADES.slice(changes ? 2 : referred ? 0 : 1)
}

/** One transaction: what it concerns, and the holds that last until its end. */
export class TransactionScope {
  /** For each model and grade, and perhaps key: a promise that resolves when the records are flushed and held. */
  readonly #entered = new Map<string, Promise<void>>()
  readonly #holds: Hold[] = []
  readonly #changed = new Set<string>()
  #ended = false
  #abandoned = false
  #keepsSnapshot = false
  #flushed: Promise<void> | undefined

  get ended(): boolean {
    return this.#ended
  }

  /** Names of the models whose rows it has changed, and so may have locked. */
  get changed(): ReadonlySet<string> {
    return this.#changed
  }

  /** Says that the transaction keeps a snapshot from its next statement on. */
  keepSnapshot(): void {
    this.#keepsSnapshot = true
  }

  /** Calls `flush` once, before the statement that takes the snapshot. */
  async beforeStatement(flush: () => Promise<void>): Promise<void> {
    if (!this.#keepsSnapshot) return
    this.#flushed ??= flush()
    await this.#flushed
  }

  /** Runs `enter` for the records that the transaction does not concern yet, or that it concerns in a higher grade now. */
  async enter(concern: Concern, enter: (fresh: Concern) => Promise<Hold | undefined>): Promise<void> {
    const { model, scope, changes } = concern
    const grades = gradesFrom(concern).map((grade) => `${model} ${grade}`)
    const own = grades[0] as string
    const waits = grades.map((name) => this.#entered.get(name))
    if (scope === 'returned' || waits.some((each) => each !== undefined)) {
      await Promise.all(waits)
      return
    }
    if (scope === 'all') await this.#begin([own], concern, enter)
    else await this.#enterKeys(scope, grades, concern, enter)
    if (changes) this.#changed.add(model)
  }

  async #enterKeys(
    scope: readonly string[],
    grades: readonly string[],
    concern: Concern,
    enter: (fresh: Concern) => Promise<Hold | undefined>,
  ): Promise<void> {
    const names = new Map(scope.map((key) => [key, grades.map((grade) => `${grade} ${key}`)]))
    const fresh = scope.filter((key) => !names.get(key)?.some((name) => this.#entered.has(name)))
    await Promise.all([...names.values()].flat().map((name) => this.#entered.get(name)))
    if (fresh.length === 0) return
    await this.#begin(
      fresh.map((key) => `${grades[0]} ${key}`),
      { ...concern, scope: fresh },
      enter,
    )
  }

  /** Wraps the callback of an interactive transaction. If it throws, Prisma does not commit, whatever the error says. */
  watch(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<unknown> {
    return async (...args) => {
      try {
        return await callback(...args)
      } catch (error) {
        this.#abandoned = true
        throw error
      }
    }
  }

  async end(error?: unknown): Promise<void> {
    this.#ended = true
    const isOver = error === undefined || this.#abandoned
    await Promise.all(this.#holds.map((hold) => (isOver ? hold.release() : hold.fail(error))))
  }

  #begin(names: readonly string[], concern: Concern, enter: (fresh: Concern) => Promise<Hold | undefined>): Promise<void> {
    const entering = this.#keep(enter(concern))
    for (const name of names) this.#entered.set(name, entering)
    return entering
  }

  async #keep(entering: Promise<Hold | undefined>): Promise<void> {
    const hold = await entering
    if (hold === undefined) return
    if (this.#ended) await hold.release()
    else this.#holds.push(hold)
  }
}

/** Knows which transaction a call runs in, because the call of $transaction that began it is in its async context. */
export class Transactions {
  readonly #scopes = new AsyncLocalStorage<TransactionScope>()
  readonly #isolation: Isolation
  readonly #flush: () => Promise<void>

  /** @param flush brings all acknowledged writes into the database */
  constructor(isolation: Isolation, flush: () => Promise<void>) {
    this.#isolation = isolation
    this.#flush = flush
  }

  /** A call that was not made in the async context of its $transaction gets a scope of its own. The holds of this scope expire by themselves. */
  get current(): TransactionScope {
    return this.#open ?? new TransactionScope()
  }

  get #open(): TransactionScope | undefined {
    const scope = this.#scopes.getStore()
    return scope?.ended ? undefined : scope
  }

  /**
   * Runs `$transaction`. A transaction within another one ends with the outer one. For a transaction that keeps a snapshot, everything is flushed before it
   * takes a connection of the pool, and again before its first statement, when little is left to flush.
   */
  async run<T>(args: readonly unknown[], begin: (...args: unknown[]) => Promise<T>): Promise<T> {
    if (this.#open !== undefined) return begin(...args)
    const scope = new TransactionScope()
    const [work, ...options] = args
    if (await this.#isolation.keepsSnapshot(options[0])) {
      await this.#flush()
      scope.keepSnapshot()
    }
    try {
      const watched = typeof work === 'function' ? scope.watch(work as (...args: unknown[]) => unknown) : work
      const result = await this.#scopes.run(scope, () => begin(watched, ...options))
      await scope.end()
      return result
    } catch (error) {
      await scope.end(error)
      throw error
    }
  }
}
