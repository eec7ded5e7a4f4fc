/**
 * A write, checked and in stored text, as it goes to Redis. Operations on one record compose in Redis (write.lua) into its
 * pending change; see docs/protocol.md, "What a change is".
 */

import { isInt64 } from '../model/scalars.js'
import { larger, smaller } from './bound.js'

/**
 * What an operation does with a row that is missing: `update` nothing, `upsert` and `create` insert it; `delete` removes a row that is
 * there. To a `create` a row that is there is the database's to refuse.
 */
export type OperationKind = 'update' | 'upsert' | 'create' | 'delete'

/** What the view must say for an operation to be done: that the row is there, that it is missing, or either, as long as it knows. */
export type Condition = 'there' | 'missing' | 'known'

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
  /** Fields bounded, behind a mark: `^name` is at least the value, `_name` at most. */
  readonly bounds: readonly string[]
  /** Whether a field that can be incremented is set. */
  readonly setsCounter: boolean
  /** Whether two operations of this shape on one record add up to one. */
  readonly foldable: boolean
  /** The operation is done on a condition, and answered with the row: after it, or, of a delete, before it. */
  readonly asks?: Asking
}

export interface Asking {
  readonly condition: Condition
  /** Largest value of each incremented field. */
  readonly limits: readonly string[]
  /** The fields of the row, in the order of its values. */
  readonly row: readonly string[]
}

/** See Shape.bounds. */
export const BOUND_MARKS = { max: '^', min: '_' } as const

const NO_NAMES: readonly string[] = []

export interface Operation {
  readonly key: string
  readonly shape: Shape
  /** Values of sets, then increments, bases and bounds, in the order of the shape; of a conditional upsert then the whole row to insert. */
  readonly values: (string | number | bigint)[]
}

/** Shapes are interned per model, so that comparing two is comparing references. */
export class Shapes {
  readonly #byId = new Map<string, Shape>()
  /** The last one of each kind, which is mostly asked for again. */
  readonly #last = new Map<OperationKind, Shape>()
  readonly #counters: ReadonlyMap<string, string>

  /** @param counters names of the fields that can be incremented, and their largest values */
  constructor(counters: Iterable<readonly [string, string]>) {
    this.#counters = new Map(counters)
  }

  intern(
    kind: OperationKind,
    sets: readonly string[],
    increments: readonly string[],
    bases: readonly string[],
    bounds: readonly string[] = NO_NAMES,
  ): Shape {
    const last = this.#last.get(kind)
    if (
      last !== undefined &&
      areEqual(last.sets, sets) &&
      areEqual(last.increments, increments) &&
      areEqual(last.bases, bases) &&
      areEqual(last.bounds, bounds)
    )
      return last
    const id = `${kind}|${sets.join()}|${increments.join()}|${bases.join()}|${bounds.join()}`
    let shape = this.#byId.get(id)
    if (shape === undefined) {
      shape = {
        id,
        kind,
        sets,
        increments,
        bases,
        bounds,
        setsCounter: sets.some((name) => this.#counters.has(name)),
        foldable: !bases.some((name) => sets.includes(name)),
      }
      this.#byId.set(id, shape)
    }
    this.#last.set(kind, shape)
    return shape
  }

  /** The same shape under a condition. Each write of it is answered with the row as it left it, so that no two add up. */
  conditional(shape: Shape, condition: Condition, row: readonly string[]): Shape {
    const id = `${condition}|${shape.id}`
    let asking = this.#byId.get(id)
    if (asking === undefined) {
      const limits = shape.increments.map((name) => this.#counters.get(name) as string)
      asking = { ...shape, id, foldable: false, asks: { condition, limits, row } }
      this.#byId.set(id, asking)
    }
    return asking
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
  const bounds = to + shape.bases.length
  for (let n = 0; n < shape.bounds.length; n++) {
    const pick = shape.bounds[n]?.startsWith('^') ? larger : smaller
    values[bounds + n] = pick(values[bounds + n] as string, later.values[bounds + n] as string)
  }
  return true
}

function areEqual(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false
  for (let n = 0; n < some.length; n++) if (some[n] !== others[n]) return false
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
