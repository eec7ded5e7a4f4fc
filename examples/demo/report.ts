import { count } from './progress.js'
import type { Verdict } from './verifier.js'

/** The result of a run. With --json it is the last line of the output. */
export interface Result {
  /** Changes of the input that were replayed. */
  readonly requests: number
  readonly acknowledged: number
  readonly rowsWritten: number
  /** Acknowledged writes per row written. */
  readonly coalescing: number
  /** Records whose row is wrong or missing, and rows that the input never wrote. */
  readonly mismatches: number
  readonly lagP50Ms: number
  readonly lagP99Ms: number
  /** Lines of the log that are not requests. */
  readonly skipped: number
  /** Writes that may or may not have been stored. Their records must lie within a range. */
  readonly unknown: number
  /** Writes that were still refused at the end. */
  readonly abandoned: number
  /** Writes that were sent again. */
  readonly retried: number
  readonly parked: number
  /** Flushes that failed and were tried again. */
  readonly failedFlushes: number
  readonly workerDeaths: number
  readonly records: number
  /** How long the replay took. */
  readonly seconds: number
  readonly drainSeconds: number
  /** Any other failure; null if there was none. */
  readonly error: string | null
}

export function isGood({ mismatches, parked, error }: Result): boolean {
  return mismatches === 0 && parked === 0 && error === null
}

export function formatReport(result: Result, verdicts: readonly Verdict[]): string {
  return [
    table(verdicts),
    '',
    ...summary(result),
    ...verdicts.flatMap(({ model, examples }) => examples.map((each) => `  ${model} ${each}`)),
  ].join('\n')
}

function table(verdicts: readonly Verdict[]): string {
  const header = ['model', 'expected', 'in database', 'uncertain', 'mismatches']
  const rows = verdicts.map(({ model, expected, found, uncertain, mismatches }) => [
    model,
    ...[expected, found, uncertain, mismatches].map(count),
  ])
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] as string).length)))
  return [header, ...rows].map((row) => row.map((cell, column) => pad(cell, widths[column] as number, column)).join('  ')).join('\n')
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}

function summary(result: Result): string[] {
  const { requests, acknowledged, rowsWritten, coalescing, skipped, retried, unknown, abandoned, parked } = result
  const exceptions = Object.entries({
    skipped,
    retried,
    unknown,
    abandoned,
    parked,
    'failed flushes': result.failedFlushes,
    'worker deaths': result.workerDeaths,
  })
  const seen = exceptions.filter(([, number]) => number > 0).map(([name, number]) => `${name} ${count(number)}`)
  return [
    `${count(requests)} requests in ${result.seconds} s: ${count(acknowledged)} writes acknowledged, ${count(rowsWritten)} rows written, ${coalescing} writes per row`,
    `lag: 50 % within ${count(result.lagP50Ms)} ms, 99 % within ${count(result.lagP99Ms)} ms; the rest was flushed in ${result.drainSeconds} s`,
    ...(seen.length > 0 ? [seen.join(', ')] : []),
    ...(result.error === null ? [] : [`error: ${result.error}`]),
    conclusion(result),
  ]
}

function conclusion(result: Result): string {
  const { mismatches, records } = result
  if (mismatches > 0)
    return `${count(mismatches)} of ${count(records)} records do NOT agree with the input; the lines below show some of them`
  return `all ${count(records)} records agree with the input${isGood(result) ? '' : ', but the run FAILED: records are parked, or an error is shown above'}`
}
