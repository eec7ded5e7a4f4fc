import { type Finding, HARMS, type Harm, isHarm } from './checker.js'
import type { Aftermath } from './disaster.js'
import type { Keys } from './drain.js'

/** The last line that a run prints. */
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

/** How many calls had each outcome, and how many `adopted` events came. */
export interface Counts {
  readonly acknowledged: number
  readonly refused: number
  readonly unknown: number
  readonly adopted: number
}

export interface CycleReport extends Counts {
  readonly cycle: number
  readonly faults: number
  readonly findings: readonly Finding[]
  /** Describes everything that did not come to an end. */
  readonly stuck: readonly string[]
  readonly drainMs: number
  readonly aftermath?: Aftermath | undefined
  readonly keys: Keys
}

/** Sums up the cycles of a run. */
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

  /** Counts the records with this finding. A record counts once in each cycle. */
  count(harm: Finding['harm']): number {
    return this.#sum(({ findings }) => new Set(findings.filter((each) => each.harm === harm).map(({ record }) => record)).size)
  }

  /** Sums the run up for people. */
  summary(): string[] {
    const { reports } = this
    const first = reports[0]?.keys
    const last = reports.at(-1)?.keys
    const drains = reports.map(({ drainMs }) => drainMs)
    const disasters = reports.flatMap(({ aftermath }) => (aftermath === undefined ? [] : [aftermath.wentOnAfter]))
    return [
      `${reports.length} cycles, ${reports.filter(isClean).length} clean; calls refused ${this.#sum(({ refused }) => refused)}, unknown ${this.#sum(({ unknown }) => unknown)}`,
      `the longest drain took ${Math.max(...drains)} ms; after a disaster every shard went on within ${Math.max(0, ...disasters)} ms, ${this.#sum(({ adopted }) => adopted)} adopted events`,
      `a Redis that was put back in time, as README.md says, made ${this.count('repeated')} records count an increment twice, and ${this.count('set back')} go back for a while`,
      `Redis held after the first cycle ${keysInWords(first)}; after the last cycle ${keysInWords(last)}`,
    ]
  }

  #sum(of: (report: CycleReport) => number): number {
    return this.reports.reduce((total, report) => total + of(report), 0)
  }
}

export function isClean({ findings, stuck }: CycleReport): boolean {
  return stuck.length === 0 && !findings.some(isHarm)
}

function keysInWords(keys: Keys | undefined): string {
  if (keys === undefined) return 'nothing, as no cycle ended'
  return `${keys.lasting} lasting keys, ${keys.changes} changes, ${keys.all} keys, ${(keys.memory / 2 ** 20).toFixed(1)} MB`
}
