import { ConfigurationError } from '../errors.js'

/** Notes one problem of `Model` or `Model.field`: what is wrong, and what to do. */
export type Refuse = (subject: string, problem: string) => void

/** Collects everything that cannot be written behind, so that one run shows all of it. */
export class Problems {
  readonly #lines: string[] = []

  readonly refuse: Refuse = (subject, problem) => void this.#lines.push(`- ${subject}: ${problem}`)

  /** @throws ConfigurationError if anything was refused. */
  throwAll(hint: string): void {
    if (this.#lines.length === 0) return
    throw new ConfigurationError(['write-behind cannot work with this Prisma schema:', ...this.#lines, hint].join('\n').trimEnd())
  }
}
