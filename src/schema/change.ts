/** A record's pending change, read from the flat hash that write.lua keeps (its fields are described there). */
import { NULL } from './codec.js'
import type { Field, Model } from './model.js'

export interface FieldChange {
  readonly set: boolean
  /** Stored text of the value set, or the amount to add. */
  readonly text: string
}

/**
 * What a flush does to one row: the pair of what to insert if it is missing and what to change if it is there.
 * `insert` has every field but the key; fields of `changes` are in the order of the model.
 */
export type RecordChange =
  | { readonly kind: 'delete' }
  | { readonly kind: 'replace'; readonly insert: ReadonlyMap<string, string> }
  | { readonly kind: 'upsert'; readonly insert: ReadonlyMap<string, string>; readonly changes: ReadonlyMap<string, FieldChange> }
  | { readonly kind: 'update'; readonly changes: ReadonlyMap<string, FieldChange> }

export interface PendingChange {
  readonly change: RecordChange
  /** Time of the first write, ms by Redis' clock. */
  readonly since: number
}

/** Reads pending changes of one model. */
export class ChangeReader {
  readonly #fields: readonly Field[]
  readonly #names: ReadonlySet<string>

  constructor(model: Model) {
    this.#fields = model.fields.filter((field) => !model.key.includes(field.name))
    this.#names = new Set(this.#fields.map((field) => field.name))
  }

  /** @throws UnknownFieldError if the change has a field that the model has not (any more). */
  read(content: readonly string[]): PendingChange {
    const hash = new Map<string, string>()
    for (let i = 0; i < content.length; i += 2) hash.set(content[i] as string, content[i + 1] as string)
    const meta = hash.get('~') as string
    hash.delete('~')
    for (const field of hash.keys()) {
      const name = field.replace(/^<?[=+!]/, '')
      if (!this.#names.has(name)) throw new UnknownFieldError(name)
    }
    return { change: this.#change(meta[0] as string, hash), since: Number(meta.slice(3)) }
  }

  #change(state: string, hash: Map<string, string>): RecordChange {
    if (state === 'd') return { kind: 'delete' }
    if (state === 'r') return { kind: 'replace', insert: this.#inserted(hash) }
    const changes = this.#changes(hash)
    return state === 'i' ? { kind: 'upsert', insert: this.#inserted(hash), changes } : { kind: 'update', changes }
  }

  #inserted(hash: Map<string, string>): Map<string, string> {
    return new Map(this.#fields.map((field) => [field.name, insertedValue(field, hash)]))
  }

  #changes(hash: Map<string, string>): Map<string, FieldChange> {
    const changes = new Map<string, FieldChange>()
    for (const { name } of this.#fields) {
      const change = then(own(hash, '<', name), own(hash, '', name))
      if (change !== undefined) changes.set(name, change)
    }
    return changes
  }
}

/** What a field holds in an inserted row before the pending change: its constant default, for a counter without one 0. */
export function startOf(field: Field): string {
  if (field.default?.kind === 'value') return field.default.value
  return isCounter(field) && !field.nullable ? '0' : NULL
}

export function isCounter(field: Field): boolean {
  return !field.list && (field.type === 'Int' || field.type === 'BigInt')
}

/** The pending change names a field that the model does not have: it was renamed or removed while the record was dirty. */
export class UnknownFieldError extends Error {
  constructor(readonly field: string) {
    super(`the model has no field ${field} any more`)
  }
}

function own(hash: Map<string, string>, mark: string, name: string): FieldChange | undefined {
  const value = hash.get(`${mark}=${name}`)
  if (value !== undefined) return { set: true, text: value }
  const amount = hash.get(`${mark}+${name}`)
  return amount === undefined ? undefined : { set: false, text: amount }
}

function then(earlier: FieldChange | undefined, later: FieldChange | undefined): FieldChange | undefined {
  if (earlier === undefined || later === undefined || later.set) return later ?? earlier
  return { set: earlier.set, text: add(earlier.text, later.text) }
}

function insertedValue(field: Field, hash: Map<string, string>): string {
  const base = hash.get(`!${field.name}`)
  const set = hash.get(`=${field.name}`)
  if (set !== undefined) return base ?? set
  const amount = hash.get(`+${field.name}`)
  const start = base ?? startOf(field)
  if (amount === undefined) return start
  return add(base === undefined && start === NULL ? '0' : start, amount)
}

/** A text that is no integer holds a sum outside 64 bits (park.lua): it stays readable, and the database refuses it. */
function add(value: string, amount: string): string {
  if (value === NULL) return NULL
  try {
    return String(BigInt(value) + BigInt(amount))
  } catch {
    return `${value}+${amount}`
  }
}
