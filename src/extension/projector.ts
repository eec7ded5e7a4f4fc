import { isArguments } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { Arguments } from './call.js'

/** The fields of a row that a call asks for. */
export type Projection = Readonly<Record<string, boolean>>

/** Reads `select` and `omit` of a call, and the `omit` that the client was made with. */
export class Projector {
  readonly #names: readonly string[]
  /** Fields that only the database has, because the generator leaves them out. */
  readonly #lacking: readonly string[]
  readonly #omitted: Arguments
  readonly #computing: boolean
  readonly #default: Projection | undefined

  /**
   * @param omitted the `omit` of the client for this model
   * @param computing whether the client adds computed fields, for which Prisma may read fields that the call leaves out
   */
  constructor(model: Model, omitted: Arguments = {}, computing = false) {
    this.#names = model.fields.map(({ name }) => name)
    this.#lacking = model.omitted ?? []
    this.#omitted = omitted
    this.#computing = computing
    this.#default = this.#without({})
  }

  /** @returns `undefined` when the call asks for more than the fields of one row, or when Prisma would refuse the call */
  project({ select, omit, include }: Arguments): Projection | undefined {
    if (include !== undefined) return undefined
    if (select !== undefined) return omit === undefined ? this.#selected(select) : undefined
    return omit === undefined ? this.#default : this.#without(omit)
  }

  #selected(select: unknown): Projection | undefined {
    if (!isArguments(select) || !this.#areFlags(select) || !Object.values(select).includes(true)) return undefined
    return select as Projection
  }

  #without(omit: unknown): Projection | undefined {
    if (!isArguments(omit) || !this.#areFlags(omit, this.#lacking)) return undefined
    const isLeftOut = (name: string) => (omit[name] ?? this.#omitted[name]) === true
    if (!this.#lacking.every(isLeftOut)) return undefined
    const left = this.#names.filter((name) => !isLeftOut(name))
    if (this.#computing && left.length < this.#names.length) return undefined
    return left.length === 0 ? undefined : Object.fromEntries(left.map((name) => [name, true]))
  }

  /** Prisma refuses an unknown name even if its value is `undefined` or `false`. */
  #areFlags(flags: Arguments, others: readonly string[] = []): boolean {
    const isKnown = (name: string) => this.#names.includes(name) || others.includes(name)
    return Object.entries(flags).every(([name, flag]) => isKnown(name) && (flag === undefined || typeof flag === 'boolean'))
  }
}
