/** A record's pending change, read from the flat hash that write.lua keeps (its fields are described there). */
import { NULL } from './codec.js'
import type { Field, Model } from './model.js'

/**
 * What a flush does to one row: what to insert if it is missing, and what to change if it is there. The arrays are in the order of
 * the model's fields without its key.
 */
export interface RecordChange {
  readonly kind: 'update' | 'upsert' | 'insert' | 'delete' | 'replace'
  /** Stored texts of the inserted row; empty if none is inserted. */
  readonly insert: readonly string[]
  /** A character a field: `=` it is set, `+` it is incremented, `.` it stays. Empty where nothing is changed but the whole row. */
  readonly pattern: string
  /** The values set and the amounts. */
  readonly values: readonly string[]
  /** Whether `values` follow from `insert`, so that one INSERT … ON CONFLICT DO UPDATE says both. */
  readonly regular: boolean
}

export interface PendingChange {
  readonly change: RecordChange
  /** Time of the first write, ms by Redis' clock. */
  readonly since: number
}

/** The pending change names a field that the model does not have: it was renamed or removed while the record was dirty. */
export class UnknownFieldError extends Error {
  constructor(readonly field: string) {
    super(`the model has no field ${field} any more`)
  }
}

const MARKS = ['=', '+', '!', '<=', '<+'] as const
const [SET, AMOUNT, BASE, SET_BEFORE, AMOUNT_BEFORE] = [0, 1, 2, 3, 4]
const NOTHING: readonly string[] = []
/** Integers of so many characters fit the column, whatever their digits. */
const SAFE_LENGTH = { Int: 9, BigInt: 18 }

/** Reads pending changes of one model. It runs for every record flushed: it works on one scratch array, and adds only what it must. */
export class ChangeReader {
  readonly #fields: readonly Field[]
  readonly #starts: readonly string[]
  /** Hash field → its place in the scratch array: marks one after the other, in each the fields of the model. */
  readonly #places = new Map<string, number>()
  readonly #scratch: (string | undefined)[]

  constructor(model: Model) {
    this.#fields = plainFields(model)
    this.#starts = this.#fields.map(startOf)
    for (const [m, mark] of MARKS.entries()) {
      for (const [n, { name }] of this.#fields.entries()) this.#places.set(mark + name, m * this.#fields.length + n)
    }
    this.#scratch = Array(MARKS.length * this.#fields.length).fill(undefined)
  }

  /** @throws UnknownFieldError if the change has a field that the model has not (any more). */
  read(content: readonly string[]): PendingChange {
    this.#scratch.fill(undefined)
    let meta = ''
    for (let n = 0; n < content.length; n += 2) {
      const name = content[n] as string
      const place = this.#places.get(name)
      if (place !== undefined) this.#scratch[place] = content[n + 1]
      else if (name === '~') meta = content[n + 1] as string
      else throw new UnknownFieldError(name.replace(/^<?[=+!]/, ''))
    }
    return { change: this.#change(meta[0] as string), since: Number(meta.slice(3)) }
  }

  #change(state: string): RecordChange {
    if (state === 'd') return { kind: 'delete', insert: NOTHING, pattern: '', values: NOTHING, regular: true }
    const insert = state === 'u' ? NOTHING : this.#fields.map((_, n) => this.#inserted(n))
    if (state === 'r') return { kind: 'replace', insert, pattern: '', values: NOTHING, regular: true }
    if (state === 'c') return { kind: 'insert', insert, pattern: '', values: NOTHING, regular: true }
    let pattern = ''
    let regular = true
    const values: string[] = []
    for (let n = 0; n < this.#fields.length; n++) {
      const mark = this.#mark(n)
      pattern += mark
      if (mark === '.') continue
      const value = this.#value(n)
      values.push(value)
      if (state === 'i' && !this.#follows(n, mark, value, insert[n] as string)) regular = false
    }
    return { kind: state === 'u' ? 'update' : 'upsert', insert, pattern, values, regular }
  }

  #slot(mark: number, n: number): string | undefined {
    return this.#scratch[mark * this.#fields.length + n]
  }

  #inserted(n: number): string {
    const set = this.#slot(SET as number, n)
    const start = this.#slot(BASE as number, n)
    if (set !== undefined) return start ?? set
    const amount = this.#slot(AMOUNT as number, n)
    return amount === undefined ? (start ?? (this.#starts[n] as string)) : add(start ?? (this.#starts[n] as string), amount)
  }

  #mark(n: number): '=' | '+' | '.' {
    if (this.#slot(SET as number, n) !== undefined || this.#slot(SET_BEFORE as number, n) !== undefined) return '='
    return this.#slot(AMOUNT as number, n) !== undefined || this.#slot(AMOUNT_BEFORE as number, n) !== undefined ? '+' : '.'
  }

  /** What came before, then what came since. */
  #value(n: number): string {
    const set = this.#slot(SET as number, n)
    if (set !== undefined) return set
    const before = this.#slot(SET_BEFORE as number, n) ?? this.#slot(AMOUNT_BEFORE as number, n)
    const amount = this.#slot(AMOUNT as number, n)
    if (before === undefined || amount === undefined) return (amount ?? before) as string
    return add(before, amount)
  }

  #follows(n: number, mark: '=' | '+', value: string, inserted: string): boolean {
    if (mark === '=') return inserted === value
    const { type } = this.#fields[n] as Field
    const start = counterStart(this.#starts[n] as string)
    if (inserted === value && start === '0' && value.length <= SAFE_LENGTH[type as 'Int' | 'BigInt']) return true
    return isInteger(inserted) && isInteger(value) && fits(type, BigInt(inserted)) && BigInt(inserted) - BigInt(value) === BigInt(start)
  }
}

/** The fields that a change is about. */
export function plainFields(model: Model): Field[] {
  return model.fields.filter((field) => !model.key.includes(field.name))
}

/** What a field holds in an inserted row before the pending change: its constant default, else null, or 0 for a required counter. */
export function startOf(field: Field): string {
  if (field.default?.kind === 'value') return field.default.value
  return isCounter(field) && !field.nullable ? '0' : NULL
}

/** The number that a regular increment starts from in an inserted row. */
export function counterStart(start: string): string {
  return start === NULL ? '0' : start
}

export function isCounter(field: Field): boolean {
  return !field.list && (field.type === 'Int' || field.type === 'BigInt')
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text)
}

function fits(type: string, value: bigint): boolean {
  const limit = type === 'BigInt' ? 2n ** 63n : 2n ** 31n
  return value >= -limit && value < limit
}

/** A text that is no integer holds a sum outside 64 bits (park.lua): it stays readable, and the database refuses it. */
function add(value: string, amount: string): string {
  if (value === NULL) return NULL
  if (value === '0') return amount
  return isInteger(value) && isInteger(amount) ? String(BigInt(value) + BigInt(amount)) : `${value}+${amount}`
}
