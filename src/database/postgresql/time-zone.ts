import type { Model } from '../../model/model.js'

/** Reads a fixed moment in a session whose time zone is nine hours ahead of UTC during this one statement. */
const PROBE = `select set_config('TimeZone', 'Asia/Tokyo', true), timestamptz '2000-01-01 00:00:00+00' as moment`
const MOMENT = Date.UTC(2000, 0, 1)

/**
 * Finds out how Prisma's adapter reads and writes a `timestamptz`. Releases up to 7.10 treat the time in the session's zone as if it were UTC. They
 * store another moment than the application's, unless the session's zone is UTC. Later releases may correct this. The library asks the adapter once,
 * because it has to store what Prisma would store.
 */
export class TimeZones {
  readonly #isNeeded: boolean
  #asked: Promise<void> | undefined
  #keeps = false

  constructor({ fields }: Model) {
    this.#isNeeded = fields.some(({ sqlType }) => sqlType === 'timestamptz')
  }

  /** Whether times are written and read with their zone. It is known when `ask` has ended. */
  get keeps(): boolean {
    return this.#keeps
  }

  /** @throws what the query throws. Then the next call asks again */
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
