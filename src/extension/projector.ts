import { isArguments } from '../model/key.js'
import type { Model } from '../model/model.js'
import type { Arguments } from './call.js'

/** The fields of a row that a call asks for. */
export type Selection = Readonly<Record<string, boolean>>

/** Reads `select` and `omit` of a call, and the `omit` that the client was made with. */
export class Projector {
  readonly #names: readonly string[]
  /** Those that only the database has. */
  readonly #lacking: readonly string[]
  readonly #omitted: Arguments
  readonly #computing: boolean
  readonly #default: Selection | undefined

  /**
   * @param omitted what the client leaves out of this model's rows
   * @param computing whether the client computes fields of them: from fields that are left out, too, which Prisma reads for that
   */
  constructor(model: Model, omitted: Arguments = {}, computing = false) {
    this.#names = model.fields.map(({ name }) => name)
    this.#lacking = model.omitted ?? []
    this.#omitted = omitted
    this.#computing = computing
    this.#default = this.#without({})
  }

  /** `undefined`: it is more than the fields of one row, or Prisma refuses it. */
  project({ select, omit, include }: Arguments): Selection | undefined {
    if (include !== undefined) return undefined
    if (select !== undefined) return omit === undefined ? this.#selected(select) : undefined
    return omit === undefined ? this.#default : this.#without(omit)
  }

  #selected(select: unknown): Selection | undefined {
    if (!isArguments(select) || !this.#areFlags(select) || !Object.values(select).includes(true)) return undefined
    return select as Selection
  }

  #without(omit: unknown): Selection | undefined {
    if (!isArguments(omit) || !this.#areFlags(omit, this.#lacking)) return undefined
    const isLeftOut = (name: string) => (omit[name] ?? this.#omitted[name]) === true
    if (!this.#lacking.every(isLeftOut)) return undefined
    const left = this.#names.filter((name) => !isLeftOut(name))
    if (this.#computing && left.length < this.#names.length) return undefined
    return left.length === 0 ? undefined : Object.fromEntries(left.map((name) => [name, true]))
  }

  /** A name that is unknown is refused even where it stands for nothing. */
  #areFlags(flags: Arguments, others: readonly string[] = []): boolean {
    const isKnown = (name: string) => this.#names.includes(name) || others.includes(name)
    return Object.entries(flags).every(([name, flag]) => isKnown(name) && (flag === undefined || typeof flag === 'boolean'))
  }
}
