/** A record's pending change, read from the fields that write.lua keeps (they are described there). */
import { type Adjustment, add, adjust, compose, isInteger } from './bound.js'
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
  /** A Mark a field. Empty where nothing is changed but the whole row. */
  readonly pattern: string
  /** What the marks take, one after the other: see operandsOf. */
  readonly values: readonly string[]
  /** Whether `values` follow from `insert`, so that one INSERT … ON CONFLICT DO UPDATE says both. */
  readonly regular: boolean
}

/**
 * What is done to a field: `.` nothing · `=` it is set · `+` incremented · `^` incremented, then at least · `_` incremented, then at most ·
 * `[` `]` between both; a null becomes the lower one, the upper one.
 */
export type Mark = '.' | '=' | '+' | '^' | '_' | '[' | ']'
type PlainMark = '.' | '=' | '+'
export type Operand = 'value' | 'amount' | 'lower' | 'upper'

const OPERANDS: Readonly<Record<Mark, readonly Operand[]>> = {
  '.': [],
  '=': ['value'],
  '+': ['amount'],
  '^': ['lower'],
  _: ['upper'],
  '[': ['lower', 'upper'],
  ']': ['lower', 'upper'],
}
const BOUNDED = '^_[]'

/** What a change of this mark takes: a bound of a counter an amount, too. */
export function operandsOf(mark: Mark, field: Field): readonly Operand[] {
  return BOUNDED.includes(mark) && isCounter(field) ? ['amount', ...OPERANDS[mark]] : OPERANDS[mark]
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

const PREFIXES = ['=', '+', '!', '<=', '<+', '^', '_', '?', '<^', '<_', '<?'] as const
const [SET, AMOUNT, BASE, SET_BEFORE, AMOUNT_BEFORE, LOWER, UPPER, UPPER_FIRST] = [0, 1, 2, 3, 4, 5, 6, 7]
/** From the place of a bound to that of the bound before. */
const BEFORE = 3
const NOTHING: readonly string[] = []
/** Integers of so many characters fit the column, whatever their digits. */
function safeLength({ type, small }: Field): number {
  return type === 'BigInt' ? 18 : small ? 4 : 9
}

/** What changes of the same fields have in common. */
interface Form {
  /** Of each field, in the scratch array. */
  readonly places: readonly number[]
  /** Whether there is any bound; most changes have none. */
  readonly bounded: boolean
  /** Of each field of the model, as far as no bound decides. */
  readonly marks: readonly PlainMark[]
  readonly pattern: string
}

/** Forms kept; a model that meets more combinations of fields makes some anew. */
const MOST_KEPT = 500

/** Reads pending changes of one model. It runs for every record flushed: it works on one scratch array, and adds only what it must. */
export class ChangeReader {
  readonly #fields: readonly Field[]
  readonly #starts: readonly string[]
  /** Field of a pending change → its place in the scratch array: prefixes one after the other, in each the fields of the model; then the state and times. */
  readonly #places = new Map<string, number>()
  readonly #meta: number
  readonly #scratch: (string | undefined)[]
  readonly #forms = new Map<string, Form>()
  /** Of the changes that are read now: these places of the scratch array are filled. */
  #form: Form = { places: [], bounded: false, marks: [], pattern: '' }

  constructor(model: Model) {
    this.#fields = plainFields(model)
    this.#starts = this.#fields.map(startOf)
    for (const [p, prefix] of PREFIXES.entries()) {
      for (const [n, { name }] of this.#fields.entries()) this.#places.set(prefix + name, p * this.#fields.length + n)
    }
    this.#meta = PREFIXES.length * this.#fields.length
    this.#places.set('~', this.#meta)
    this.#scratch = Array(this.#meta + 1).fill(undefined)
  }

  /**
   * @param content flat: names and values
   * @throws UnknownFieldError if the change has a field that the model has not (any more).
   */
  read(content: readonly string[]): PendingChange {
    this.expect(content.filter((_, n) => n % 2 === 0))
    const values = content.filter((_, n) => n % 2 === 1)
    return this.next(values, 0)
  }

  /**
   * The fields of all changes that are read from now on.
   * @throws UnknownFieldError if the model has not one of them (any more).
   */
  expect(names: readonly string[]): void {
    for (const place of this.#form.places) this.#scratch[place] = undefined
    const id = names.join()
    this.#form = this.#forms.get(id) ?? this.#learn(id, names)
  }

  /** The change that has the expected fields and, from the first one on, these values. */
  next(values: readonly string[], first: number): PendingChange {
    const { places } = this.#form
    for (let n = 0; n < places.length; n++) this.#scratch[places[n] as number] = values[first + n]
    const meta = this.#scratch[this.#meta] as string
    return { change: this.#change(meta[0] as string), since: Number(meta.slice(3)) }
  }

  #learn(id: string, names: readonly string[]): Form {
    const places = names.map((name) => {
      const place = this.#places.get(name)
      if (place === undefined) throw new UnknownFieldError(name.replace(/^<?[=+!^_?]/, ''))
      return place
    })
    const bounded = places.some((place) => place >= LOWER * this.#fields.length && place !== this.#meta)
    for (const place of places) this.#scratch[place] = ''
    const marks = this.#fields.map((_, n) => this.#mark(n))
    const form = { places, bounded, marks, pattern: marks.join('') }
    if (this.#forms.size === MOST_KEPT) this.#forms.clear()
    this.#forms.set(id, form)
    return form
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

  /** Whether the field is bounded, and not set before or since. */
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

  /** What came before, then what came since. */
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
    if (inserted === value && start === '0' && value.length <= safeLength(field)) return true
    return isInteger(inserted) && isInteger(value) && fits(field, BigInt(inserted)) && BigInt(inserted) - BigInt(value) === BigInt(start)
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

function fits({ type, small }: Field, value: bigint): boolean {
  const limit = type === 'BigInt' ? 2n ** 63n : small ? 2n ** 15n : 2n ** 31n
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

/** Whether one bound is all, and what is inserted is that bound. */
function followsBound(mark: Mark, { amount, lower, upper }: Adjustment, inserted: string): boolean {
  if (amount !== undefined) return false
  return (mark === '^' && inserted === lower) || (mark === '_' && inserted === upper)
}
