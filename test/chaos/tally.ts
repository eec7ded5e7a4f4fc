import { type Finding, HARMS, type Harm, isHarm } from './checker.js'
import type { Aftermath } from './disaster.js'
import type { Keys } from './drain.js'

/** The last line of a run. */
export interface Verdict {
  readonly acknowledged: number
  readonly faults: number
  readonly lost: number
  readonly doubled: number
  readonly stale: number
  readonly resurrected: number
  readonly stuck: number
  readonly seed: number
}

export interface CycleReport {
  readonly cycle: number
  readonly acknowledged: number
  readonly refused: number
  readonly unknown: number
  readonly faults: number
  readonly findings: readonly Finding[]
  /** What did not come to an end, in words. */
  readonly stuck: readonly string[]
  readonly adopted: number
  readonly drainMs: number
  readonly aftermath?: Aftermath | undefined
  readonly keys: Keys
}

/** Sums of a run's cycles. */
export class Tally {
  readonly reports: CycleReport[] = []

  add(report: CycleReport): void {
    this.reports.push(report)
  }

  verdict(seed: number): Verdict {
    const harms = Object.fromEntries(HARMS.map((harm) => [harm, this.count(harm)])) as Record<Harm, number>
    return {
      acknowledged: this.#sum(({ acknowledged }) => acknowledged),
      faults: this.#sum(({ faults }) => faults),
      ...harms,
      stuck: this.#sum(({ stuck }) => stuck.length),
      seed,
    }
  }

  /** Records found so, once a record and cycle. */
  count(harm: Finding['harm']): number {
    return this.#sum(({ findings }) => new Set(findings.filter((each) => each.harm === harm).map(({ record }) => record)).size)
  }

  /** For people. */
  summary(): string[] {
    const { reports } = this
    const first = reports[0]?.keys
    const last = reports.at(-1)?.keys
    const drains = reports.map(({ drainMs }) => drainMs)
    const disasters = reports.flatMap(({ aftermath }) => (aftermath === undefined ? [] : [aftermath.wentOnAfter]))
    return [
      `${reports.length} cycles, ${reports.filter(isClean).length} clean; calls refused ${this.#sum(({ refused }) => refused)}, unknown ${this.#sum(({ unknown }) => unknown)}`,
      `drained after ${Math.max(...drains)} ms at most; after a disaster every shard went on within ${Math.max(0, ...disasters)} ms, ${this.#sum(({ adopted }) => adopted)} adopted events`,
      `as README.md says of a Redis put back in time: ${this.count('repeated')} records counted an increment twice, ${this.count('set back')} were set back for a while`,
      `Redis after the first cycle: ${describe(first)}; after the last: ${describe(last)}`,
    ]
  }

  #sum(of: (report: CycleReport) => number): number {
    return this.reports.reduce((total, report) => total + of(report), 0)
  }
}

export function isClean({ findings, stuck }: CycleReport): boolean {
  return stuck.length === 0 && !findings.some(isHarm)
}

function describe(keys: Keys | undefined): string {
  if (keys === undefined) return '-'
  return `${keys.lasting} lasting keys, ${keys.changes} changes, ${keys.all} keys, ${(keys.memory / 2 ** 20).toFixed(1)} MB`
}
