import { parseArgs } from 'node:util'
import { DISASTERS, type Disaster } from './disaster.js'

export const MEASUREMENTS = ['kill', 'outage', 'refused'] as const
export type Measurement = (typeof MEASUREMENTS)[number]

export interface ChaosOptions {
  readonly seconds: number
  readonly seed: number
  readonly json: boolean
  readonly naive: boolean
  readonly measure: Measurement | undefined
  /** Calls per second of all writers together. */
  readonly rate: number
  /** The only cycle of the seed to play. */
  readonly cycle: number | undefined
  /** The disaster to make in every cycle. */
  readonly disaster: Disaster | undefined
  /** Seconds of faults in a cycle. */
  readonly rage: number
  /** Pick only faults whose description contains this text. */
  readonly only: string
}

export const HELP = `npm run chaos -- [options]

Runs two writers and three workers as processes of their own, with a real Redis and a real PostgreSQL behind proxies. A nemesis breaks
something every 0.2 to 2 s. At the end of every cycle everything is healed, and every record is compared. Exit code 0: no record was lost,
doubled, stale, resurrected or stuck. 1: at least one was, and the output names the cycle and the seed. 2: usage.

  --seconds N     start no new cycle after N seconds (default: 60)
  --seed N        seed of the faults and the writes (default: 1)
  --cycle N       play only this cycle of the seed, to see it again
  --json          print the result as JSON on the last line of stdout; everything else goes to stderr
  --rate N        calls per second (default: 2000)
  --rage N        seconds of faults in a cycle (default: 20)
  --only TEXT     pick only faults whose description contains this text, such as half-open
  --disaster WHAT make this disaster in every cycle, instead of one in every fourth: ${DISASTERS.join(', ')}
  --naive         play the same chaos with the naive design: a deduplicated job per key with the value in it, and Prisma upsert
  --measure WHAT  kill: measure how long after SIGKILL of two workers all writes are in the database, by default settings
                  outage: stop PostgreSQL for --seconds (default: 60) under 2,000 writes/s, and measure how fast the backlog drains
                  refused: let the database refuse 20,000 records; measure how long good records wait, and how fast the refused ones heal`

/** Returns undefined when the user asked for help. @throws Error when an option is unknown or wrong */
export function parseOptions(args: readonly string[]): ChaosOptions | undefined {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: text,
      seed: text,
      cycle: text,
      rate: text,
      rage: text,
      only: text,
      disaster: text,
      measure: text,
      json: flag,
      naive: flag,
      help: flag,
    },
  })
  if (values.help) return undefined
  return {
    seconds: number('--seconds', values.seconds) ?? 60,
    seed: number('--seed', values.seed) ?? 1,
    json: values.json ?? false,
    naive: values.naive ?? false,
    measure: oneOf('--measure', MEASUREMENTS, values.measure),
    rate: number('--rate', values.rate) ?? 2000,
    cycle: number('--cycle', values.cycle),
    disaster: oneOf('--disaster', DISASTERS, values.disaster),
    rage: number('--rage', values.rage) ?? 20,
    only: values.only ?? '',
  }
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw new Error(`${name}: expected a whole number, got ${JSON.stringify(text)}`)
  return Number(text)
}

function oneOf<T extends string>(name: string, choices: readonly T[], text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new Error(`${name}: expected one of ${choices.join(', ')}, got ${JSON.stringify(text)}`)
  return found
}
