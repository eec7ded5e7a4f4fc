import { fromWords, type Operation } from './operation.js'

/** `pending` means that the writer has told no outcome yet. When the writer is killed, it becomes `unknown`. */
export type Outcome = 'pending' | 'acknowledged' | 'refused' | 'unknown'

export interface Called extends Operation {
  /** The time of the call, in ms since the epoch. */
  readonly at: number
  outcome: Outcome
}

const OUTCOMES: Readonly<Record<string, Outcome>> = { a: 'acknowledged', r: 'refused', u: 'unknown' }

/** Holds all operations of a cycle, by record, in the order in which each writer called them. */
export class History {
  acknowledged = 0
  refused = 0
  unknown = 0
  readonly byRecord = new Map<string, Called[]>()
  /** How often calls failed, by the code of their error. */
  readonly codes = new Map<string, number>()
  readonly #byId: Map<number, Called>[] = []
  readonly #lastId: number[] = []
  readonly #time: number[] = []

  /** Returns the number of a writer's next operation. */
  nextId(writer: number): number {
    return (this.#lastId[writer] ?? 0) + 1
  }

  /** Takes a line of a writer's journal. */
  hear(writer: number, words: readonly string[]): void {
    const [word, ...rest] = words
    if (word === 't') this.#time[writer] = Number(rest[0])
    else if (word === 'i') this.call(writer, fromWords(rest), this.#time[writer] as number)
    else if (word !== undefined && word in OUTCOMES) this.settle(writer, Number(rest[0]), OUTCOMES[word] as Outcome, rest[1])
  }

  call(writer: number, operation: Operation, at: number): void {
    const called: Called = { ...operation, at, outcome: 'pending' }
    const before = this.byRecord.get(operation.record)
    if (before === undefined) this.byRecord.set(operation.record, [called])
    else before.push(called)
    this.#ids(writer).set(operation.id, called)
    this.#lastId[writer] = operation.id
  }

  settle(writer: number, id: number, outcome: Outcome, code?: string): void {
    const called = this.#ids(writer).get(id)
    if (called === undefined) return
    this.#ids(writer).delete(id)
    called.outcome = outcome
    if (outcome === 'acknowledged') this.acknowledged++
    else if (outcome === 'refused') this.refused++
    else this.unknown++
    if (code !== undefined) this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
  }

  /** Call it when the writer has died. Nobody learns how its pending calls ended, so they become unknown. */
  abandon(writer: number): void {
    for (const id of [...this.#ids(writer).keys()]) this.settle(writer, id, 'unknown', 'KILLED')
  }

  /** Forgets the operations. The rows of this moment are the new beginning. */
  clear(): void {
    this.byRecord.clear()
  }

  #ids(writer: number): Map<number, Called> {
    this.#byId[writer] ??= new Map()
    return this.#byId[writer] as Map<number, Called>
  }
}
