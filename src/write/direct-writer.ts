/** The writes of the strategies write-through and write-around. */
import { ChangeReader } from '../change/change-reader.js'
import type { Operation } from '../change/operation.js'
import type { RowChange } from '../database/database.js'
import { isWorthSendingAgain, preparing } from '../database/outcome.js'
import type { Model } from '../model/model.js'
import type { Hold, Scope } from '../read/holds.js'
import { redact } from '../redaction.js'

export interface DirectWriterContext {
  readonly model: Model
  readonly database: { write(change: RowChange): Promise<void> }
  readonly holds: { during<T>(scope: Scope, statement: (hold: Hold) => Promise<T>): Promise<T> }
  /** Flushes a record that a process with the strategy `write-behind` has written. */
  flush(key: string): Promise<void>
}

/**
 * Each write is one statement under a hold of its record, and resolves when the statement is committed. The hold drops the cached row. With
 * `write-through` it also loads the row again after its release.
 */
export class DirectWriter {
  readonly #context: DirectWriterContext
  readonly #changes: ChangeReader
  readonly #underWay = new Set<Promise<void>>()

  constructor(context: DirectWriterContext) {
    this.#context = context
    this.#changes = new ChangeReader(context.model)
  }

  /**
   * @throws UnavailableError when Redis gave no hold; nothing was written
   * @throws PersistError when the database refused the write, or could not be reached
   * @throws ParkedError when the database refuses an earlier write of the record, made with `write-behind`; nothing was written
   * @throws TimeoutError when an earlier write of the record, made with `write-behind`, could not be flushed; nothing was written
   */
  write(_shard: number, operation: Operation): Promise<void> {
    const writing = this.#write(operation).catch((error: unknown) => {
      throw redact(error)
    })
    this.#underWay.add(writing)
    const ended = () => void this.#underWay.delete(writing)
    writing.then(ended, ended)
    return writing
  }

  /** Resolves when no write is in flight. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }

  async #write({ key, ...operation }: Operation): Promise<void> {
    const { change } = this.#changes.readContent(contentOf(operation))
    await this.#context.holds.during([key], async ({ dirty }) => {
      if (dirty.length > 0) await preparing(this.#context.flush(key))
      await this.#persist({ key, change })
    })
  }

  async #persist(change: RowChange): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#context.database.write(change)
      } catch (error) {
        if (!isWorthSendingAgain(error, attempt)) throw error
      }
    }
  }
}

/** The pending change that write.lua would make of the operation if the record were clean. */
function contentOf({ shape, values }: Omit<Operation, 'key'>): string[] {
  const { kind, sets, increments, bases, bounds } = shape
  const names = [...sets.map((name) => `=${name}`), ...increments.map((name) => `+${name}`), ...bases.map((name) => `!${name}`), ...bounds]
  const state = { update: 'u', upsert: 'i', create: 'c', delete: 'd' }[kind]
  return ['~', `${state}--0`, ...names.flatMap((name, n) => [name, String(values[n])])]
}
