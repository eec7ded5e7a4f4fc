import type { PersistError } from '../errors.js'

/** Equal failures of a batch before it is looked at. */
const ENOUGH = 3
/** Failures right after other statements succeeded, after which a batch is refused, although the database is away each time that it has been sent. */
const ENOUGH_PROVEN = 2
/** Ms that a failure of a shard is remembered after it came last. */
const MEMORY = 60_000

interface Suspect {
  batch: string
  /** Of the batch, by what the database called it. */
  readonly times: Map<string, number>
  readonly proven: Map<string, number>
  last: PersistError
}

interface Known {
  since: number
  last: number
  /** A batch was refused for it. */
  refused: boolean
}

/**
 * Tells a batch that causes an outage from an outage. No SQLSTATE does: a trigger may raise any, and a row may break a connection. But an outage is
 * all batches', and ends. So a batch that has failed in the same way three times is sent once more right after other statements succeeded: where it
 * then fails so again, it is refused. What is refused has to be written to the ledger, which an outage keeps from being done.
 */
export class PoisonDetector {
  readonly #suspects = new Map<number, Suspect>()
  readonly #known = new Map<string, Known>()
  #passed = Number.NEGATIVE_INFINITY

  /** Whether the batch is to be sent only after other statements have succeeded. */
  isOf(shard: number, batch: string): boolean {
    const suspect = this.#suspects.get(shard)
    return suspect?.batch === batch && [...suspect.times].some(([name, times]) => times >= this.#enough(shard, name, suspect.last))
  }

  /** Why the batch need not be sent any more, where it is sure. */
  isSure(shard: number, batch: string): PersistError | undefined {
    const suspect = this.#suspects.get(shard)
    if (suspect?.batch !== batch) return undefined
    return [...suspect.proven.values()].some((times) => times >= ENOUGH_PROVEN) ? suspect.last : undefined
  }

  /**
   * A failure that is none of the rows' by its SQLSTATE.
   * @param isProven other statements have succeeded right before
   * @returns whether the batch is refused for it
   */
  note(shard: number, batch: string, error: PersistError, isProven: boolean): boolean {
    const name = nameOf(error)
    const suspect = this.#suspectOf(shard, batch, error)
    const times = (suspect.times.get(name) ?? 0) + 1
    suspect.times.set(name, times)
    suspect.last = error
    const known = this.#remember(shard, name)
    if (!isProven || times <= this.#enough(shard, name, error)) return false
    suspect.proven.set(name, (suspect.proven.get(name) ?? 0) + 1)
    known.refused = true
    return true
  }

  /** Rows have come through, which tells that a failure is not all rows'. */
  passed(): void {
    this.#passed = performance.now()
  }

  /** Whether rows have come through since the shard failed so first. */
  havePassedSince(shard: number, error: PersistError): boolean {
    return this.#passed > (this.#known.get(`${shard} ${nameOf(error)}`)?.since ?? Number.POSITIVE_INFINITY)
  }

  #suspectOf(shard: number, batch: string, last: PersistError): Suspect {
    let suspect = this.#suspects.get(shard)
    if (suspect?.batch !== batch) {
      suspect = { batch, times: new Map(), proven: new Map(), last }
      this.#suspects.set(shard, suspect)
    }
    return suspect
  }

  #remember(shard: number, name: string): Known {
    const now = performance.now()
    let known = this.#known.get(`${shard} ${name}`)
    if (known === undefined || known.last < now - MEMORY) {
      known = { since: now, last: now, refused: false }
      this.#known.set(`${shard} ${name}`, known)
    }
    known.last = now
    return known
  }

  /** One, where the schema is at fault, which other statements show at once, or where a batch of the shard has just been refused for the same. */
  #enough(shard: number, name: string, { code }: PersistError): number {
    return code === 'SCHEMA_MISMATCH' || this.#known.get(`${shard} ${name}`)?.refused === true ? 1 : ENOUGH
  }
}

function nameOf({ code, databaseCode }: PersistError): string {
  return databaseCode ?? code
}
