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
  /** Calls per second of all writers. */
  readonly rate: number
  /** Only this cycle of the seed. */
  readonly cycle: number | undefined
  /** In every cycle. */
  readonly disaster: Disaster | undefined
  /** Seconds of faults in a cycle. */
  readonly rage: number
  /** Only faults whose description contains this. */
  readonly only: string
}

export const HELP = `npm run chaos -- [options]

Two writers and three workers, processes of their own, on a real Redis and PostgreSQL behind proxies, and a nemesis that breaks something
every 0.2 to 2 s. Every cycle ends with all healed and every record compared. Exit code 0: nothing lost, doubled, stale, resurrected or
stuck. 1: something was, and the cycle and seed that show it are named. 2: usage.

  --seconds N     how long (default: 60); the last cycle ends after it
  --seed N        of the faults and the writes (default: 1)
  --cycle N       only this cycle of the seed, to see it again
  --json          last line of stdout: the result as JSON; everything else goes to stderr
  --rate N        calls per second (default: 2000)
  --rage N        seconds of faults in a cycle (default: 20)
  --only TEXT     only faults whose description contains it, such as half-open
  --disaster WHAT in every cycle, instead of every fourth: ${DISASTERS.join(', ')}
  --naive         the same chaos for the naive design: a job per key with the value in it, deduplicated, and Prisma upsert
  --measure WHAT  kill: from SIGKILL of a worker to its records in the database, by default settings
                  outage: PostgreSQL away for --seconds (default: 60) under 2,000 writes/s, and how fast the backlog drains
                  refused: 20,000 records that the database refuses, how long good ones wait behind them, and how fast they heal`

/** Undefined: help was asked for. @throws Error when the command line cannot be followed */
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
