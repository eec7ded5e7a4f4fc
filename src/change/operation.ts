/**
 * An operation is a write that was checked and turned into stored texts. In Redis, write.lua composes the operations on a record into its pending
 * change (docs/protocol.md, "What a change is").
 */

import { isInt64 } from '../model/scalars.js'
import { larger, smaller } from './bound.js'

/**
 * `update` does nothing if the row is missing. `upsert` and `create` insert it then. `delete` removes the row if it is there. If a `create` meets a row,
 * the database refuses it.
 */
export type OperationKind = 'update' | 'upsert' | 'create' | 'delete'

/** The operation is carried out only if the cached row says that the row is there, that it is missing, or (`known`) either of these. */
export type Condition = 'there' | 'missing' | 'known'

/** The kind of an operation and the names of its fields. Operations of one shape are sent under one header, and two of one record may be folded. */
export interface Shape {
  readonly id: string
  readonly kind: OperationKind
  /** The fields that are set. */
  readonly sets: readonly string[]
  /** The fields that are incremented. */
  readonly increments: readonly string[]
  /**
   * The fields whose inserted value is not the default with this operation applied to it: a set field that is inserted with another value, or the number
   * from which increments start.
   */
  readonly bases: readonly string[]
  /** The fields that are bounded, each after a mark: `^name` raises to at least the value, `_name` lowers to at most the value. */
  readonly bounds: readonly string[]
  /** Whether a field that can be incremented is set. */
  readonly setsCounter: boolean
  /** Whether two operations of this shape on one record can be folded into one. */
  readonly foldable: boolean
  /** The condition of the operation. The answer to it is the row after it, or the row before a delete. */
  readonly asks?: Asking
}

export interface Asking {
  readonly condition: Condition
  /** The largest value of each incremented field. */
  readonly limits: readonly string[]
  /** The fields of the row, in the order of its values. */
  readonly row: readonly string[]
}

/** The marks of Shape.bounds. */
export const BOUND_MARKS = { max: '^', min: '_' } as const

const NO_NAMES: readonly string[] = []

export interface Operation {
  readonly key: string
  readonly shape: Shape
  /** The values of sets, increments, bases and bounds, in the order of the shape. In a conditional upsert, the whole row to insert follows. */
  readonly values: (string | number | bigint)[]
}

/** Interns the shapes of a model, so that two shapes are compared by reference. */
export class Shapes {
  readonly #byId = new Map<string, Shape>()
  /** The last shape of each kind, because mostly the same one is asked for again. */
  readonly #last = new Map<OperationKind, Shape>()
  readonly #counters: ReadonlyMap<string, string>

  /** @param counters the names of the fields that can be incremented, with their largest values */
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

  /** The same shape under a condition. Each write has an answer of its own, so two such writes are never folded. */
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

/** Folds `later` into `earlier`, an operation on the same record that was not sent yet. Returns `false` if they must be sent one by one. */
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
