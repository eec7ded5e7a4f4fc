import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../random.js'
import { FAULTS } from './faults.js'
import type { Fault, Scene, Strike } from './strike.js'

const MIN_PAUSE = 200
const MAX_PAUSE = 2000
const MAX_TRIES = 10_000

/** Picks a fault every 0.2 to 2 s, and lets it run beside the faults that have not ended. The picks follow from the seed alone. */
export class Nemesis {
  faults = 0
  readonly #scene: Scene
  readonly #random: Random
  readonly #only: string
  readonly #note: (what: string) => void
  readonly #busy = new Map<string, Promise<void>>()
  #fail: (error: Error) => void = () => {}

  /** @param only picks only faults whose description contains this text */
  constructor(scene: Scene, random: Random, only: string, note: (what: string) => void) {
    this.#scene = scene
    this.#random = random
    this.#only = only
    this.#note = note
  }

  /**
   * Resolves when the time is over and all faults have ended.
   * @throws Error when a fault cannot be made or ended
   */
  async rage(ms: number): Promise<void> {
    const ended = new AbortController()
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    await Promise.race([failed, this.#rage(ms, ended)]).finally(() => ended.abort())
  }

  async #rage(ms: number, ended: AbortController): Promise<void> {
    const end = performance.now() + ms
    for (;;) {
      const pause = this.#random.between(MIN_PAUSE, MAX_PAUSE)
      const strike = this.#pick()
      if (performance.now() + pause > end) break
      await sleep(pause)
      this.#strike(strike, ended.signal)
    }
    await sleep(Math.max(0, end - performance.now()))
    ended.abort()
    await Promise.all(this.#busy.values())
  }

  #pick(): Strike {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const strike = this.#pickAny()
      if (strike.what.includes(this.#only)) return strike
    }
    throw new Error(`--only: expected a text that the description of a fault contains, got ${JSON.stringify(this.#only)}`)
  }

  #pickAny(): Strike {
    let ticket = this.#random.next() * FAULTS.reduce((total, { weight }) => total + weight, 0)
    const fault = FAULTS.find(({ weight }) => {
      ticket -= weight
      return ticket < 0
    })
    return (fault ?? (FAULTS[0] as Fault)).pick(this.#scene, this.#random)
  }

  #strike({ what, uses, run }: Strike, ended: AbortSignal): void {
    if (this.#busy.has(uses)) return
    this.faults++
    this.#note(what)
    const done = run(ended).then(() => void this.#busy.delete(uses))
    done.catch((error: Error) => this.#fail(new Error(`the nemesis failed: ${what}`, { cause: error })))
    this.#busy.set(uses, done)
  }
}
