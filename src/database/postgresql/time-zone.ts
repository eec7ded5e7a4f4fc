import type { Model } from '../../model/model.js'

/** A moment as the adapter gives it in a session whose clocks are nine hours ahead, for this one statement. */
const PROBE = `select set_config('TimeZone', 'Asia/Tokyo', true), timestamptz '2000-01-01 00:00:00+00' as moment`
const MOMENT = Date.UTC(2000, 0, 1)

/**
 * How Prisma's adapter takes a `timestamptz`. Releases up to 7.10 read the time on the session's clock as if it were UTC, and write it so: what is
 * stored is another moment than the application's, unless the session's zone is UTC. Later ones are to mend it. The library holds what Prisma
 * would, and so asks the adapter once.
 */
export class TimeZones {
  readonly #isNeeded: boolean
  #asked: Promise<void> | undefined
  #keeps = false

  constructor({ fields }: Model) {
    this.#isNeeded = fields.some(({ sqlType }) => sqlType === 'timestamptz')
  }

  /** Whether times are written and read with their zone: known when `ask` has ended. */
  get keeps(): boolean {
    return this.#keeps
  }

  /** @throws what the query throws: it is asked again then */
  ask(query: (sql: string) => Promise<{ moment: Date }[]>): Promise<void> | undefined {
    if (!this.#isNeeded) return undefined
    this.#asked ??= query(PROBE).then(
      ([row]) => {
        this.#keeps = row?.moment.getTime() === MOMENT
      },
      (error) => {
        this.#asked = undefined
        throw error
      },
    )
    return this.#asked
  }
}
