import { parseArgs } from 'node:util'

export interface DemoOptions {
  readonly log: string | undefined
  readonly once: boolean
  /** Writes a second; undefined: as many as are acknowledged. */
  readonly rate: number | undefined
  /** Undefined: until the input ends, or Ctrl-C. */
  readonly seconds: number | undefined
  readonly seed: number
  readonly json: boolean
  /** Of the dashboard; 0: any that is free. */
  readonly port: number
  readonly killWorker: boolean
  /** Seconds; 0: none. */
  readonly databaseOutage: number
}

/** The command line cannot be followed. */
export class UsageError extends Error {}

/** Shortest run with a fault in it, in seconds, and what it needs beside an outage. */
const FAULT_SECONDS = 30
const BESIDE_OUTAGE_SECONDS = 10

export const HELP = `npm run demo -- [options]

Starts Redis, PostgreSQL, a worker (a process of its own) and the dashboard, replays traffic through write-behind, drains, and compares
every record in the database with what the input says it must be. Exit code 0: all agree. 1: they do not, or the run failed. 2: usage.

  --log FILE           replay an access log (Common or Combined Log Format, plain or .gz) instead of synthetic traffic;
                       lines that are not in that format are counted and skipped
  --once               stop when the log ends; without it the log is read again and again
  --rate N             writes a second (default: 2000 for synthetic traffic; a log as fast as writes are acknowledged, 1000 in flight)
  --seconds N          stop after N seconds (default: 20; with --log --once: no limit)
  --seed N             of the synthetic traffic (default: 1); one seed, one sequence of writes
  --json               last line of stdout: the result as JSON; everything else goes to stderr
  --port N             of the dashboard (default: any that is free)
  --kill-worker        SIGKILL the worker in the middle of the run; another is started
  --database-outage N  stop PostgreSQL for N seconds in the middle of the run (only one that the demo started)
  --help

The last two make a run last ${FAULT_SECONDS} s or more (N + ${BESIDE_OUTAGE_SECONDS} for an outage): a log is replayed at the rate that takes so long, unless --rate or --seconds
says otherwise. Ctrl-C ends the input: the demo still drains, compares and reports. Again, and it ends at once.

REDIS_URL and DATABASE_URL name servers to use instead of starting them. Nothing of yours is touched there: a run uses a Redis namespace
and a database (CREATE DATABASE) of its own, and removes both at the end, unless records do not agree.`

/** Undefined: help was asked for. @throws UsageError */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const values = parse(args)
  if (values.help) return undefined
  const log = values.log
  const once = values.once ?? false
  const killWorker = values['kill-worker'] ?? false
  const databaseOutage = number('--database-outage', values['database-outage'], 0)
  const seconds = number('--seconds', values.seconds, 0)
  const rate = number('--rate', values.rate, 0)
  const hasFaults = killWorker || databaseOutage > 0
  return {
    log,
    once,
    rate: rate || (log === undefined ? 2000 : undefined),
    seconds: seconds || (log !== undefined && once ? undefined : hasFaults ? faultSeconds(databaseOutage) : 20),
    seed: number('--seed', values.seed, 1),
    json: values.json ?? false,
    port: portNumber(values.port),
    killWorker,
    databaseOutage,
  }
}

/** How long a run with faults lasts when nothing else says it. */
export function faultSeconds(databaseOutage: number): number {
  return Math.max(FAULT_SECONDS, databaseOutage + BESIDE_OUTAGE_SECONDS)
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        log: { type: 'string' },
        once: { type: 'boolean' },
        rate: { type: 'string' },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        json: { type: 'boolean' },
        port: { type: 'string' },
        'kill-worker': { type: 'boolean' },
        'database-outage': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function number(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || (value === 0 && name !== '--seed')) throw wrong(name, 'a number above 0', text)
  return value
}

function portNumber(text: string | undefined): number {
  const port = Number(text ?? 0)
  if (text !== undefined && (!/^\d+$/.test(text) || port > 65_535)) throw wrong('--port', 'a port, 0 to 65535', text)
  return port
}

export function wrong(option: string, expected: string, got: string): UsageError {
  return new UsageError(`${option}: expected ${expected}, got ${JSON.stringify(got)}`)
}
