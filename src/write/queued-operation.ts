import type { Operation } from '../change/operation.js'
import type { WriteBehindError } from '../errors.js'
import type { Refusal } from '../redis/replies.js'
import { MAX_TRACES, type Origin } from '../telemetry/telemetry.js'

/** The answer to a conditional operation: the row, or why the operation was not done. */
export type Answer = readonly string[] | Exclude<Refusal, 'backlog' | 'unreadable'>

/** An operation that waits for its call, and the one promise of all writes that were folded into it. */
export class QueuedOperation {
  readonly operation: Operation
  readonly promise: Promise<Answer | undefined>
  writes = 1
  /** The recorded spans in which the writes were issued. */
  origins: Origin[] | undefined
  resolve!: (answer?: Answer) => void
  reject!: (error: WriteBehindError) => void

  constructor(operation: Operation) {
    this.operation = operation
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  addOrigin(origin: Origin | undefined): void {
    if (origin === undefined || this.origins?.at(-1) === origin) return
    this.origins ??= []
    if (this.origins.length < MAX_TRACES) this.origins.push(origin)
  }
}

export function countWrites(queued: readonly QueuedOperation[]): number {
  return queued.reduce((total, { writes }) => total + writes, 0)
}
