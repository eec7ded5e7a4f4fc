import { createHash } from 'node:crypto'
import { parseAccessLogLine, readLines } from './access-log.js'
import type { Change } from './change.js'

/** The input of a run: changes, in order. */
export interface Traffic {
  /** Lines that are not requests. */
  readonly skipped: number
  changes(): AsyncIterable<Change>
}

/** PostgreSQL cannot index longer texts. Every public log has a few requests of many kilobytes, which are attacks. */
const LONGEST_PATH = 2000

/** Reads the requests of an access log as page views. */
export class LogTraffic implements Traffic {
  skipped = 0
  readonly #path: string
  readonly #once: boolean

  constructor(path: string, once: boolean) {
    this.#path = path
    this.#once = once
  }

  /** @throws Error when the file cannot be read to its end */
  async *changes(): AsyncGenerator<Change> {
    for (let isFirst = true; ; isFirst = false) {
      let requests = 0
      for await (const line of readLines(this.#path)) {
        const entry = parseAccessLogLine(line)
        if (entry === undefined) {
          if (isFirst) this.skipped++
          continue
        }
        requests++
        const { target, status, bytes, time } = entry
        yield { model: 'pageView', key: { path: pathOf(target) }, add: { views: 1, bytes }, set: { lastStatus: status, lastSeen: time } }
      }
      if (this.#once || requests === 0) return
    }
  }
}

export async function countRequests(path: string): Promise<number> {
  let requests = 0
  for await (const line of readLines(path)) if (parseAccessLogLine(line) !== undefined) requests++
  return requests
}

const PATHS = 10_000
const ZIPF_EXPONENT = 1.2
const DEVICES = 200
const METRICS = ['temperature', 'humidity', 'pressure', 'voltage']
const PLAYERS = 5000
const COUNTERS = ['visits', 'logins', 'searches', 'uploads', 'downloads', 'messages', 'votes', 'alerts']
/** Readings count their times from here and not from the clock, so that a seed gives the same input every day. */
const EPOCH = Date.UTC(2026, 0, 1)

/** Makes page views (by Zipf's law), sensor readings, scores and counters without end. All of them follow from the seed. */
export class SyntheticTraffic implements Traffic {
  readonly skipped = 0
  readonly #random: () => number
  readonly #pathShares = zipfShares()

  constructor(seed: number) {
    this.#random = randomNumbers(seed)
  }

  async *changes(): AsyncGenerator<Change> {
    for (let n = 0; ; n++) yield this.#change(n)
  }

  #change(n: number): Change {
    const kind = this.#random()
    if (kind < 0.6)
      return { model: 'pageView', key: { path: `/page/${this.#path()}` }, add: { views: 1, bytes: this.#below(50_000) }, set: undefined }
    if (kind < 0.8) return this.#reading(n)
    if (kind < 0.95) return this.#score()
    return {
      model: 'counter',
      key: { name: COUNTERS[this.#below(COUNTERS.length)] as string },
      add: { value: 1 + this.#below(9) },
      set: undefined,
    }
  }

  #reading(n: number): Change {
    const key = { device: `device-${this.#below(DEVICES)}`, metric: METRICS[this.#below(METRICS.length)] as string }
    return { model: 'reading', key, add: { samples: 1 }, set: { value: this.#random() * 100, at: new Date(EPOCH + n) } }
  }

  #score(): Change {
    const player = this.#below(PLAYERS)
    return { model: 'player', key: { id: uuidOf(player) }, add: { score: this.#below(120) - 20 }, set: { name: `Player ${player}` } }
  }

  /** Searches the cumulated shares by bisection. */
  #path(): number {
    const share = this.#random()
    let [low, high] = [0, PATHS - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#pathShares[middle] as number) < share) low = middle + 1
      else high = middle
    }
    return low + 1
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
}

function zipfShares(): Float64Array {
  const weights = Float64Array.from({ length: PATHS }, (_, rank) => (rank + 1) ** -ZIPF_EXPONENT)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  return weights.map((weight) => {
    sum += weight / total
    return sum
  })
}

/** The generator Mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

function uuidOf(player: number): string {
  const hex = createHash('sha256').update(`player ${player}`).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}

function pathOf(target: string): string {
  if (Buffer.byteLength(target) <= LONGEST_PATH) return target
  return `${target.slice(0, LONGEST_PATH / 4)}…${createHash('sha256').update(target).digest('hex')}`
}
