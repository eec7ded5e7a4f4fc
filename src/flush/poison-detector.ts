/** Tells a batch that makes the database fail from a database that is down. */
import type { PersistError } from '../errors.js'

/** The number of equal failures after which a batch is suspect. */
const MAX_FAILURES = 3
/**
 * The number of failures right after other statements succeeded. After that the batch is refused without being sent again, even if the database
 * crashes each time.
 */
const MAX_PROVEN_FAILURES = 2
/** Ms for which a kind of failure of a shard is remembered after its last time. */
const MEMORY = 60_000

/** The batch of a shard that has failed. Its failures are counted by the name that the database gives them. */
interface Suspect {
  batch: string
  readonly failures: Map<string, number>
  /** Failures right after other statements had succeeded. */
  readonly proven: Map<string, number>
  last: PersistError
}

/** A kind of failure that a shard has had. */
interface FailureKind {
  since: number
  last: number
  /** Whether a batch was refused for it. */
  refused: boolean
}

/**
 * No SQLSTATE tells an outage from a *poison* batch, whose statement fails each time: a trigger may raise any SQLSTATE for one row, and a row may
 * break its connection. But an outage concerns all statements, and ends. So a batch that has failed in the same way three times is suspect. It is
 * sent again only right after other statements have succeeded. If it then fails in the same way, it is refused. A real outage does not get that far:
 * a statement makes a refused batch void in the ledger, and the outage stops that statement, too.
 */
export class PoisonDetector {
  readonly #suspects = new Map<number, Suspect>()
  readonly #kinds = new Map<string, FailureKind>()
  #lastSuccess = Number.NEGATIVE_INFINITY

  /** Whether the batch may be sent only after other statements have succeeded. */
  isSuspect(shard: number, batch: string): boolean {
    const suspect = this.#suspects.get(shard)
    return suspect?.batch === batch && [...suspect.failures].some(([name, count]) => count >= this.#maxFailures(shard, name, suspect.last))
  }

  /** Why the batch is refused without being sent again; `undefined` if it may be sent. */
  verdict(shard: number, batch: string): PersistError | undefined {
    const suspect = this.#suspects.get(shard)
    if (suspect?.batch !== batch) return undefined
    return [...suspect.proven.values()].some((count) => count >= MAX_PROVEN_FAILURES) ? suspect.last : undefined
  }

  /**
   * Counts a failure that looks like an outage by its SQLSTATE.
   * @param isProven other statements have succeeded right before
   * @returns whether the batch is refused for it
   */
  noteFailure(shard: number, batch: string, error: PersistError, isProven: boolean): boolean {
    const name = nameOf(error)
    const suspect = this.#suspectOf(shard, batch, error)
    const count = (suspect.failures.get(name) ?? 0) + 1
    suspect.failures.set(name, count)
    suspect.last = error
    const kind = this.#remember(shard, name)
    if (!isProven || count <= this.#maxFailures(shard, name, error)) return false
    suspect.proven.set(name, (suspect.proven.get(name) ?? 0) + 1)
    kind.refused = true
    return true
  }

  /** Notes that rows have reached the database. */
  noteSuccess(): void {
    this.#lastSuccess = performance.now()
  }

  /**
   * Whether rows have reached the database since the shard failed in this way for the first time. Then the failure does not concern all
   * rows.
   */
  hasSucceededSince(shard: number, error: PersistError): boolean {
    return this.#lastSuccess > (this.#kinds.get(`${shard} ${nameOf(error)}`)?.since ?? Number.POSITIVE_INFINITY)
  }

  #suspectOf(shard: number, batch: string, last: PersistError): Suspect {
    let suspect = this.#suspects.get(shard)
    if (suspect?.batch !== batch) {
      suspect = { batch, failures: new Map(), proven: new Map(), last }
      this.#suspects.set(shard, suspect)
    }
    return suspect
  }

  #remember(shard: number, name: string): FailureKind {
    const now = performance.now()
    let kind = this.#kinds.get(`${shard} ${name}`)
    if (kind === undefined || kind.last < now - MEMORY) {
      kind = { since: now, last: now, refused: false }
      this.#kinds.set(`${shard} ${name}`, kind)
    }
    kind.last = now
    return kind
  }

  /**
   * One failure is enough for a schema mismatch, because other statements show it at once. It is also enough if a batch of the shard has just been
   * refused for the same failure.
   */
  #maxFailures(shard: number, name: string, { code }: PersistError): number {
    return code === 'SCHEMA_MISMATCH' || this.#kinds.get(`${shard} ${name}`)?.refused === true ? 1 : MAX_FAILURES
  }
}

function nameOf({ code, databaseCode }: PersistError): string {
  return databaseCode ?? code
}
