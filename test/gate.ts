import { expect } from 'vitest'
import type { TestDatabase } from './fixture.js'

/** Stands before the real client: it holds statements up, or loses them, or loses their replies. */
export class Gate {
  statements = 0
  failed = 0
  #closed: string | undefined
  #waiting: (() => void)[] = []
  #failures = 0
  #when: 'before' | 'after' = 'before'

  client({ prisma }: TestDatabase) {
    return {
      $queryRawUnsafe: async <T>(sql: string, ...parameters: unknown[]): Promise<T> => {
        this.statements++
        if (this.#closed !== undefined && sql.startsWith(this.#closed)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
        if (this.#when === 'before') this.#mayFail()
        const result = await prisma.$queryRawUnsafe<T>(sql, ...parameters)
        if (this.#when === 'after') this.#mayFail()
        return result
      },
    }
  }

  /** @param statements only those that begin with this text are held up */
  close(statements = ''): void {
    this.#closed = statements
  }

  /** Resolves when a statement waits at the gate. */
  async held(): Promise<void> {
    await expect.poll(() => this.#waiting.length).toBeGreaterThan(0)
  }

  open(): void {
    this.#closed = undefined
    for (const release of this.#waiting.splice(0)) release()
  }

  /** The next statements fail, as if the connection had broken before or after the database carried them out. */
  fail(times: number, when: 'before' | 'after'): void {
    this.#failures = times
    this.#when = when
  }

  #mayFail(): void {
    if (this.#failures === 0) return
    this.#failures--
    this.failed++
    throw new Error('Connection terminated unexpectedly')
  }
}
