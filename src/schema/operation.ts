/**
 * A write, checked and in stored text, as it goes to Redis. Operations on one record compose in Redis (write.lua) into its
 * pending change; see docs/architecture.md, "What a pending change is".
 */
import { isInt64 } from './codec.js'

/** What an operation does with a row that is missing: `update` nothing, `upsert` inserts it; `delete` removes a row that is there. */
export type OperationKind = 'update' | 'upsert' | 'delete'

/** The names of what an operation carries; operations of one shape are sent under one header, and can be added up. */
export interface Shape {
  readonly id: string
  readonly kind: OperationKind
  /** Fields set. */
  readonly sets: readonly string[]
  /** Fields incremented. */
  readonly increments: readonly string[]
  /**
   * Fields whose inserted value is not "default, then this operation": a set field's other insert value, or the number from
   * which increments start.
   */
  readonly bases: readonly string[]
  /** Whether a field that can be incremented is set. */
  readonly setsCounter: boolean
  /** Whether two operations of this shape on one record add up to one. */
  readonly foldable: boolean
}

export interface Operation {
  readonly key: string
  readonly shape: Shape
  /** Values of sets, then increments, then bases, in the order of the shape. */
  readonly values: (string | number | bigint)[]
}

/** Shapes are interned per model, so that comparing two is comparing references. */
export class Shapes {
  readonly #byId = new Map<string, Shape>()
  readonly #counters: ReadonlySet<string>

  /** @param counters names of the fields that can be incremented */
  constructor(counters: Iterable<string>) {
    this.#counters = new Set(counters)
  }

  intern(kind: OperationKind, sets: readonly string[], increments: readonly string[], bases: readonly string[]): Shape {
    const id = `${kind}|${sets.join()}|${increments.join()}|${bases.join()}`
    let shape = this.#byId.get(id)
    if (shape === undefined) {
      shape = {
        id,
        kind,
        sets,
        increments,
        bases,
        setsCounter: sets.some((name) => this.#counters.has(name)),
        foldable: !bases.some((name) => sets.includes(name)),
      }
      this.#byId.set(id, shape)
    }
    return shape
  }
}

/** Adds `later` to `earlier`, an operation on the same record that is not sent yet. `false`: they have to be sent one by one. */
export function fold(earlier: Operation, later: Operation): boolean {
  const { shape, values } = earlier
  if (shape !== later.shape || !shape.foldable) return false
  const from = shape.sets.length
  const to = from + shape.increments.length
  for (let n = from; n < to; n++) {
    const total = sum(values[n] as number | bigint, later.values[n] as number | bigint)
    if (typeof total === 'bigint' && !isInt64(total)) {
      for (let done = from; done < n; done++)
        values[done] = difference(values[done] as number | bigint, later.values[done] as number | bigint)
      return false
    }
    values[n] = total
  }
  for (let n = 0; n < from; n++) values[n] = later.values[n] as string
  return true
}

function sum(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'number' && typeof b === 'number') {
    const total = a + b
    if (Number.isSafeInteger(total)) return total
  }
  return BigInt(a) + BigInt(b)
}

function difference(a: number | bigint, b: number | bigint): number | bigint {
  return sum(a, typeof b === 'bigint' ? -b : 0 - b)
}
