/**
 * The protocol of docs/protocol.md for one shard of counters, without Redis and PostgreSQL. Every method is atomic, as a script or a statement
 * is. Anything may happen between two calls.
 */
import type { Random } from '../random.js'

/** A rule that can be left out, to show what it is for. */
export type Rule = 'ledger' | 'void' | 'adopt' | 'snapshot'
export type Counts = Record<string, number>

interface InFlight {
  id: string
  previous: string | null
  keys: string[]
}

export interface Batch extends InFlight {
  readonly rows: Counts
}

export interface Snapshot {
  readonly ledger: string | null
  readonly row: number
}

export class Redis {
  pend: Counts = {}
  claimed: Counts = {}
  view: Counts = {}
  readonly #leftOut: Rule | undefined
  readonly #newId: () => string
  #parked: string[] = []
  /** Parked records that were not written since. They wait until they are tried alone. */
  #waiting: string[] = []
  #batch: InFlight | undefined
  /** The groups of a split batch that wait for their turn. */
  #rest: string[][] = []
  #acked: string | null = null

  constructor(newId: () => string, leftOut: Rule | undefined) {
    this.#newId = newId
    this.#leftOut = leftOut
  }

  get isIdle(): boolean {
    return this.#batch === undefined && Object.keys(this.pend).length === 0
  }

  /** Copies the present state without the cached rows, which expire. */
  copy(): Redis {
    const copy = new Redis(this.#newId, this.#leftOut)
    copy.pend = { ...this.pend }
    copy.claimed = { ...this.claimed }
    copy.#parked = [...this.#parked]
    copy.#waiting = [...this.#waiting]
    copy.#batch = structuredClone(this.#batch)
    copy.#rest = structuredClone(this.#rest)
    copy.#acked = this.#acked
    return copy
  }

  write(key: string): void {
    add(this.pend, key, 1)
    if (key in this.view) add(this.view, key, 1)
    this.#waiting = this.#waiting.filter((each) => each !== key)
  }

  /** Claims the due records, or the one record that is named. A parked record is claimed alone. */
  claim(random: Random, key?: string): Batch | undefined {
    if (this.#batch === undefined) {
      const due = key === undefined ? this.#due(random) : [key].filter((each) => each in this.pend)
      if (due.length === 0) return undefined
      for (const each of due) {
        this.claimed[each] = this.pend[each] as number
        delete this.pend[each]
      }
      this.#batch = { id: this.#newId(), previous: this.#acked, keys: due }
    }
    const { id, previous, keys } = this.#batch
    return { id, previous, keys: [...keys], rows: Object.fromEntries(keys.map((each) => [each, this.claimed[each] as number])) }
  }

  isInFlight(id: string): boolean {
    return this.#batch?.id === id
  }

  acknowledge(id: string, ledger: string | null): void {
    if (this.#batch?.id !== id) return
    for (const key of this.#batch.keys) {
      delete this.claimed[key]
      this.#parked = this.#parked.filter((each) => each !== key)
    }
    this.#next(ledger)
  }

  /** Splits the batch. If it has one record, parks that record. */
  refuse(id: string): void {
    if (this.#batch?.id !== id) return
    const { keys } = this.#batch
    const acked = this.#leftOut === 'void' ? this.#acked : `void:${id}`
    if (keys.length > 1) {
      const half = Math.floor(keys.length / 2)
      this.#rest.push(keys.slice(half), keys.slice(0, half))
    } else {
      const [key] = keys as [string]
      if (!(key in this.pend)) this.#waiting.push(key)
      add(this.pend, key, this.claimed[key] as number)
      delete this.claimed[key]
      this.#parked = [...new Set([...this.#parked, key])]
    }
    this.#next(acked)
  }

  /** Stores a cached row, unless the row may contain a change that Redis does not know. In that case returns the state for the next attempt. */
  load(key: string, { ledger, row }: Snapshot, lastState: string | undefined): string | undefined {
    if (key in this.view) return undefined
    const batch = this.#batch
    const state = `${this.#acked}|${batch?.id}`
    const isBatch = batch !== undefined && ledger === batch.id
    if (this.#leftOut !== 'snapshot' && !isBatch && ledger !== this.#acked && !(batch && ledger === `void:${batch.id}`)) {
      if (this.#leftOut === 'adopt' || batch !== undefined || lastState !== state) return state
      this.#acked = ledger
    }
    const holdsClaim = this.#leftOut !== 'snapshot' && isBatch && batch.keys.includes(key)
    this.view[key] = row + (holdsClaim ? 0 : (this.claimed[key] ?? 0)) + (this.pend[key] ?? 0)
    return undefined
  }

  expire(key: string): void {
    if (!(key in this.pend) && !(key in this.claimed)) delete this.view[key]
  }

  #due(random: Random): string[] {
    const due = Object.keys(this.pend).filter((key) => !this.#waiting.includes(key) && random.chance(0.8))
    const [first] = due
    return first !== undefined && this.#parked.includes(first) ? [first] : due.filter((key) => !this.#parked.includes(key))
  }

  #next(acked: string | null): void {
    this.#acked = acked
    const keys = this.#rest.pop()
    this.#batch = keys && { id: this.#newId(), previous: acked, keys }
  }
}

export type Outcome = 'applied' | 'applied before' | 'void' | 'elsewhere' | 'refused'

export class Database {
  readonly row: Counts = {}
  ledger: string | null = null
  refused: string | undefined
  #recent: (string | null)[] = []
  readonly #leftOut: Rule | undefined

  constructor(leftOut: Rule | undefined) {
    this.#leftOut = leftOut
  }

  persist({ id, previous, rows }: Batch): Outcome {
    if (this.#leftOut !== 'ledger') {
      if (this.ledger === id || this.#recent.includes(id)) return 'applied before'
      if (this.ledger === `void:${id}`) return 'void'
      if (this.ledger !== previous) return 'elsewhere'
    }
    if (this.refused !== undefined && this.refused in rows) return 'refused'
    for (const [key, amount] of Object.entries(rows)) add(this.row, key, amount)
    this.#move(id)
    return 'applied'
  }

  void({ id, previous }: Batch): boolean {
    if (this.ledger !== previous) return this.ledger === `void:${id}`
    this.#move(`void:${id}`)
    return true
  }

  snapshot(key: string): Snapshot {
    return { ledger: this.ledger, row: this.row[key] ?? 0 }
  }

  #move(to: string): void {
    this.#recent = [this.ledger, ...this.#recent].slice(0, 16)
    this.ledger = to
  }
}

function add(counts: Counts, key: string, amount: number): void {
  counts[key] = (counts[key] ?? 0) + amount
}
