import { parseArgs } from 'node:util'

export interface DemoOptions {
  readonly log: string | undefined
  readonly once: boolean
  /** Writes a second. Undefined means as fast as they are acknowledged. */
  readonly rate: number | undefined
  /** Undefined means until the input ends, or until Ctrl-C. */
  readonly seconds: number | undefined
  readonly seed: number
  readonly json: boolean
  /** The port of the dashboard; 0 takes one that is free. */
  readonly port: number
  readonly killWorker: boolean
  /** In seconds; 0 means that there is no outage. */
  readonly databaseOutage: number
}

/** Says which option of the command line is wrong, and what was expected. */
export class UsageError extends Error {}

/** A run with a fault lasts at least this many seconds. */
const FAULT_SECONDS = 30
/** A run with an outage lasts at least this many seconds longer than the outage. */
const BESIDE_OUTAGE_SECONDS = 10

export const HELP = `npm run demo -- [options]

Starts Redis, PostgreSQL, a worker (a process of its own) and the dashboard. Replays traffic through write-behind, flushes everything, and
compares every record in the database with the input. Exit code 0: all records agree. 1: some do not agree, or the run failed. 2: usage.

  --log FILE           replay an access log (Common or Combined Log Format, plain or .gz) instead of synthetic traffic;
                       the demo skips and counts lines that are not in that format
  --once               stop when the log ends; without this option the demo reads the log again and again
  --rate N             writes a second (default: 2000 for synthetic traffic; a log as fast as writes are acknowledged, 1000 in flight)
  --seconds N          stop after N seconds (default: 20; with --log --once: no limit)
  --seed N             seed of the synthetic traffic (default: 1); the same seed gives the same writes
  --json               print the result as JSON on the last line of stdout; everything else goes to stderr
  --port N             port of the dashboard (default: one that is free)
  --kill-worker        kill the worker (SIGKILL) in the middle of the run; the demo starts another one
  --database-outage N  stop PostgreSQL for N seconds in the middle of the run; the demo must have started it
  --help

With one of the last two options a run lasts at least ${FAULT_SECONDS} s, and at least ${BESIDE_OUTAGE_SECONDS} s longer than an outage. A log is then replayed slowly enough,
unless --rate or --seconds says otherwise. Ctrl-C ends the input: the demo still flushes, compares and reports. A second Ctrl-C exits at once.

REDIS_URL and DATABASE_URL name servers that the demo uses instead of starting its own. It touches nothing of yours there: a run uses a
namespace in Redis and a database (CREATE DATABASE) of its own. It removes both at the end, unless some records do not agree.`

/** Returns undefined when the user asked for help. @throws UsageError */
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

/** How many seconds a run with faults lasts by default. */
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
