import { parseArgs } from 'node:util'
import { FIGURE_NAMES, type FigureName } from './figures.js'

export interface BenchOptions {
  readonly quick: boolean
  readonly json: boolean
  /** Undefined means as many as the form (quick or full) has. */
  readonly rounds: number | undefined
  readonly only: readonly FigureName[]
  readonly scale: number
  readonly plot: string | undefined
}

/** Says which option of the command line is wrong, and what was expected. */
export class UsageError extends Error {}

export const HELP = `npm run bench -- [options]

Measures write-behind beside the alternatives, in one run. The bench starts its own servers: Redis with AOF everysec, and PostgreSQL. All
contenders use the same settings. Rounds alternate, and a ratio is the median of the rounds' ratios. You can compare ratios between
machines, but no other figures. Exit code 0: the bench measured, whatever the figures say. 1: something failed. 2: usage.

  --quick          fewer and shorter rounds: less than 50 s instead of minutes; the figures scatter more
  --json           print every figure by its name as JSON on the last line of stdout; everything else goes to stderr
  --rounds N       rounds of every measure
  --only NAME,…    measure only these: ${wrapped(FIGURE_NAMES)}
  --scale F        multiply all counts and times by F; 0.01 only tests that the bench works
  --plot FILE      draw throughput and cost as records grow, as SVG
  --help`

function wrapped(names: readonly string[]): string {
  const lines = ['']
  for (const name of names) {
    if ((lines.at(-1)?.length ?? 0) + name.length > 100) lines.push('')
    lines.push(`${lines.pop()}${name} `)
  }
  return lines.map((line) => line.trim()).join('\n                   ')
}

/** Returns undefined when the user asked for help. @throws UsageError */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const values = parse(args)
  if (values.help) return undefined
  return {
    quick: values.quick ?? false,
    json: values.json ?? false,
    rounds: values.rounds === undefined ? undefined : positive('--rounds', values.rounds, Number.isInteger),
    only: (values.only?.flatMap((names) => names.split(',')) ?? []).map(figureName),
    scale: values.scale === undefined ? 1 : positive('--scale', values.scale, Number.isFinite),
    plot: values.plot,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        json: { type: 'boolean' },
        rounds: { type: 'string' },
        only: { type: 'string', multiple: true },
        scale: { type: 'string' },
        plot: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function positive(option: string, text: string, isOne: (value: number) => boolean): number {
  const value = Number(text)
  if (!isOne(value) || value <= 0) throw new UsageError(`${option}: expected a positive number, got ${JSON.stringify(text)}`)
  return value
}

function figureName(name: string): FigureName {
  const known = FIGURE_NAMES.find((each) => each === name)
  if (known === undefined) throw new UsageError(`--only: expected some of ${FIGURE_NAMES.join(', ')}, got ${JSON.stringify(name)}`)
  return known
}
