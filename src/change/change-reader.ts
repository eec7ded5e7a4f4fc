/** Reads the pending change of a record from its stored fields, which docs/format.md describes. */

import { plainFields } from '../model/fields.js'
import type { Field, Model } from '../model/model.js'
import { rangeOf } from '../model/scalars.js'
import { type Adjustment, add, adjust, compose, isInteger } from './bound.js'
import { counterStart, type Mark, type Operand, operandsOf, type RecordChange, startOf } from './change.js'
import { type Copy, learnCopy } from './copy.js'

type PlainMark = '.' | '=' | '+'

/** The pending change names a field that the model lacks, because the field was renamed or removed while the record was dirty. */
export class UnknownFieldError extends Error {
  constructor(readonly field: string) {
    super(`the model has no field ${field} any more`)
  }
}

const PREFIXES = ['=', '+', '!', '<=', '<+', '^', '_', '?', '<^', '<_', '<?'] as const
const [SET, AMOUNT, BASE, SET_BEFORE, AMOUNT_BEFORE, LOWER, UPPER, UPPER_FIRST] = [0, 1, 2, 3, 4, 5, 6, 7]
/** The distance from the place of a bound to that of the bound before. */
const BEFORE = 3
const NOTHING: readonly string[] = []
/** Characters of the state and its flags, which come before the time of the first write. */
export const STATE_LENGTH = 3

/** What all changes of the same fields have in common. */
export interface Form {
  /** One character (docs/format.md). */
  readonly state: string
  /** The place of each text in the scratch array. */
  readonly places: readonly number[]
  /** Whether there is a bound. Most changes have none. */
  readonly bounded: boolean
  /** The mark of each field of the model, without regard to bounds. */
  readonly marks: readonly PlainMark[]
  readonly pattern: string
}

/** Forms that are kept. A model with more combinations of fields makes some of them again. */
const MAX_KEPT = 500

/** Reads pending changes of one model. It works on one scratch array, because it may run for every record that is flushed. */
export class ChangeReader {
  readonly #fields: readonly Field[]
  readonly #starts: readonly string[]
  /** Field of a pending change → its place in the scratch array, which has the fields of the model once for each prefix. */
  readonly #places = new Map<string, number>()
  readonly #scratch: (string | undefined)[]
  readonly #forms = new Map<string, Form>()
  readonly #copies = new WeakMap<Form, Copy | undefined>()
  /** The form of the change that is read now. */
  #form: Form = { state: '', places: [], bounded: false, marks: [], pattern: '' }

  constructor(model: Model) {
    this.#fields = plainFields(model)
    this.#starts = this.#fields.map(startOf)
    for (const [p, prefix] of PREFIXES.entries()) {
      for (const [n, { name }] of this.#fields.entries()) this.#places.set(prefix + name, p * this.#fields.length + n)
    }
    this.#scratch = Array(PREFIXES.length * this.#fields.length).fill(undefined)
  }

  /**
   * @param content a flat list of names and values. The value of `~` is the state and the time of the first write
   * @returns the change, and that time in ms by Redis' clock
   * @throws UnknownFieldError if the change has a field that the model lacks
   */
  readContent(content: readonly string[]): { change: RecordChange; since: number } {
    const names = content.filter((_, n) => n % 2 === 0)
    const texts = content.filter((_, n) => n % 2 === 1)
    const meta = names.indexOf('~')
    names.splice(meta, 1)
    const [stateAndTime] = texts.splice(meta, 1) as [string]
    return { change: this.read(this.form(stateAndTime, names), texts), since: Number(stateAndTime.slice(STATE_LENGTH)) }
  }

  /**
   * Returns what all changes with these fields have in common.
   * @param state only its first character counts
   * @throws UnknownFieldError if the model lacks one of the fields
   */
  form(state: string, names: readonly string[]): Form {
    const id = state[0] + names.join()
    const known = this.#forms.get(id)
    if (known !== undefined) return known
    const form = this.#learn(state[0] as string, names)
    if (this.#forms.size === MAX_KEPT) this.#forms.clear()
    this.#forms.set(id, form)
    return form
  }

  /** @param texts the texts of the fields of the form, in their order */
  read(form: Form, texts: readonly string[]): RecordChange {
    this.#form = form
    for (let n = 0; n < form.places.length; n++) this.#scratch[form.places[n] as number] = texts[n]
    try {
      return this.#change(form.state)
    } finally {
      for (let n = 0; n < form.places.length; n++) this.#scratch[form.places[n] as number] = undefined
    }
  }

  /** Tells how changes of the form are copied into rows; `undefined` if they must be read. */
  copyOf(form: Form): Copy | undefined {
    if (!this.#copies.has(form))
      this.#copies.set(form, form.bounded ? undefined : learnCopy(form.places.length, this.#fields, (texts) => this.read(form, texts)))
    return this.#copies.get(form)
  }

  #learn(state: string, names: readonly string[]): Form {
    const places = names.map((name) => {
      const place = this.#places.get(name)
      if (place === undefined) throw new UnknownFieldError(name.replace(/^<?[=+!^_?]/, ''))
      return place
    })
    const bounded = places.some((place) => place >= LOWER * this.#fields.length)
    for (const place of places) this.#scratch[place] = ''
    const marks = this.#fields.map((_, n) => this.#mark(n))
    for (const place of places) this.#scratch[place] = undefined
    return { state, places, bounded, marks, pattern: marks.join('') }
  }

  #change(state: string): RecordChange {
    if (state === 'd') return { kind: 'delete', insert: NOTHING, pattern: '', values: NOTHING, regular: true }
    const insert = state === 'u' ? NOTHING : this.#fields.map((_, n) => this.#inserted(n))
    if (state === 'r') return { kind: 'replace', insert, pattern: '', values: NOTHING, regular: true }
    if (state === 'c') return { kind: 'insert', insert, pattern: '', values: NOTHING, regular: true }
    return this.#changed(state === 'u' ? 'update' : 'upsert', insert)
  }

  #changed(kind: 'update' | 'upsert', insert: readonly string[]): RecordChange {
    const { bounded, marks } = this.#form
    const values: string[] = []
    let pattern = bounded ? '' : this.#form.pattern
    let regular = true
    for (let n = 0; n < marks.length; n++) {
      if (bounded && this.#isAdjusted(n)) {
        const adjustment = compose(this.#adjustment(n, BEFORE), this.#adjustment(n, 0))
        const mark = markOf(adjustment)
        pattern += mark
        pushOperands(values, operandsOf(mark, this.#fields[n] as Field), adjustment)
        if (kind === 'upsert' && !followsBound(mark, adjustment, insert[n] as string)) regular = false
        continue
      }
      const mark = marks[n] as PlainMark
      if (bounded) pattern += mark
      if (mark === '.') continue
      const value = this.#value(n)
      values.push(value)
      if (kind === 'upsert' && !this.#follows(n, mark, value, insert[n] as string)) regular = false
    }
    return { kind, insert, pattern, values, regular }
  }

  /** Whether the field is bounded and not set. */
  #isAdjusted(n: number): boolean {
    if (this.#slot(SET, n) !== undefined || this.#slot(SET_BEFORE, n) !== undefined) return false
    return [LOWER, UPPER, LOWER + BEFORE, UPPER + BEFORE].some((prefix) => this.#slot(prefix, n) !== undefined)
  }

  #adjustment(n: number, before: 0 | typeof BEFORE): Adjustment {
    return {
      amount: this.#slot(before === 0 ? AMOUNT : AMOUNT_BEFORE, n),
      lower: this.#slot(LOWER + before, n),
      upper: this.#slot(UPPER + before, n),
      upperFirst: this.#slot(UPPER_FIRST + before, n) !== undefined,
    }
  }

  #slot(mark: number, n: number): string | undefined {
    return this.#scratch[mark * this.#fields.length + n]
  }

  #inserted(n: number): string {
    const set = this.#slot(SET, n)
    const start = this.#slot(BASE, n)
    if (set !== undefined) return start ?? set
    if (this.#form.bounded) return adjust(start ?? (this.#starts[n] as string), this.#adjustment(n, 0))
    const amount = this.#slot(AMOUNT, n)
    return amount === undefined ? (start ?? (this.#starts[n] as string)) : add(start ?? (this.#starts[n] as string), amount)
  }

  #mark(n: number): PlainMark {
    if (this.#slot(SET, n) !== undefined || this.#slot(SET_BEFORE, n) !== undefined) return '='
    return this.#slot(AMOUNT, n) !== undefined || this.#slot(AMOUNT_BEFORE, n) !== undefined ? '+' : '.'
  }

  /** Composes the earlier function with the later one. */
  #value(n: number): string {
    const set = this.#slot(SET, n)
    if (set !== undefined) return set
    const before = this.#slot(SET_BEFORE, n) ?? this.#slot(AMOUNT_BEFORE, n)
    if (this.#form.bounded && before !== undefined) return adjust(before, this.#adjustment(n, 0))
    const amount = this.#slot(AMOUNT, n)
    if (before === undefined || amount === undefined) return (amount ?? before) as string
    return add(before, amount)
  }

  #follows(n: number, mark: PlainMark, value: string, inserted: string): boolean {
    if (mark === '=') return inserted === value
    const field = this.#fields[n] as Field
    const start = counterStart(this.#starts[n] as string)
    if (inserted === value && start === '0' && value.length <= rangeOf(field).safeLength) return true
    if (!isInteger(inserted) || !isInteger(value) || !isInteger(start)) return false
    return fits(field, BigInt(inserted)) && BigInt(inserted) - BigInt(value) === BigInt(start)
  }
}

function fits(field: Field, value: bigint): boolean {
  const { limit } = rangeOf(field)
  return value >= -limit && value < limit
}

function markOf({ lower, upper, upperFirst }: Adjustment): Mark {
  if (lower === undefined) return upper === undefined ? '+' : '_'
  return upper === undefined ? '^' : upperFirst ? ']' : '['
}

function pushOperands(values: string[], operands: readonly Operand[], { amount, lower, upper }: Adjustment): void {
  for (const operand of operands) {
    if (operand === 'amount') values.push(amount ?? '0')
    else values.push((operand === 'lower' ? lower : upper) as string)
  }
}

/** Whether there is only one bound, and the inserted value is that bound. */
function followsBound(mark: Mark, { amount, lower, upper }: Adjustment, inserted: string): boolean {
  if (amount !== undefined) return false
  return (mark === '^' && inserted === lower) || (mark === '_' && inserted === upper)
}
