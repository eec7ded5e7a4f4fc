/** Lists what the bench measures, under the names that its JSON uses, and what each figure should reach. */

export interface Goal {
  readonly bound: 'at least' | 'at most'
  readonly value: number
  readonly stretch?: number
}

interface Plan {
  readonly title: string
  /** The unit of what was measured. If `isRatio` is true, the figure itself is a ratio and has no unit. */
  readonly unit: string
  readonly isRatio: boolean
  readonly goal?: Goal
}

const ratio = (title: string, unit: string, goal?: Goal): Plan => ({ title, unit, isRatio: true, ...(goal && { goal }) })
const amount = (title: string, unit: string, goal?: Goal): Plan => ({ title, unit, isRatio: false, ...(goal && { goal }) })
const atLeast = (value: number, stretch?: number): Goal => ({ bound: 'at least', value, ...(stretch !== undefined && { stretch }) })
const atMost = (value: number, stretch?: number): Goal => ({ bound: 'at most', value, ...(stretch !== undefined && { stretch }) })

export const FIGURES = {
  distinctVsSet: ratio('writes to distinct records', 'writes/s', atLeast(1, 1.5)),
  dirtyVsSet: ratio('writes to 10,000 records that are dirty', 'writes/s', atLeast(1.5, 2.5)),
  zipfVsIncrby: ratio('increments, Zipf 1.2 over 10,000 records', 'writes/s', atLeast(4, 10)),
  hotVsIncrby: ratio('increments of one hot record', 'writes/s'),
  writeVsQueueAdd: ratio('increments, Zipf 1.2', 'writes/s', atLeast(15, 25)),
  mixVsSetIncrby: ratio('production mix: few repeats, 70 % sets of 15–100 bytes, 30 % increments', 'writes/s'),
  setsVsSet: ratio('production mix: few repeats, sets of 15–100 bytes only', 'writes/s'),
  readVsHgetall: ratio('reads from view', 'reads/s', atLeast(1, 1.5)),
  p99VsSet: ratio('p99 latency of a write at 5,000/s', 'ms', atMost(2, 1.3)),
  bytesPerDirty: amount('Redis memory of a dirty record beyond its names and values', 'bytes', atMost(300, 200)),
  flushVsUpsert: ratio('rows flushed', 'rows/s', atLeast(30, 50)),
  flushVsUpsertConcurrent: ratio('rows flushed', 'rows/s'),
  flushVsRaw: ratio('rows flushed', 'rows/s', atLeast(0.7, 0.9)),
  flushVsUnnest: ratio('rows flushed', 'rows/s'),
  createManyRows: amount('rows of Prisma createMany into an empty table', 'rows/s'),
  flushGrowth: ratio('flush of 1,000 dirty records, among how many clean ones', 'ms', atMost(1.2)),
  rawGrowth: ratio('the same rows upserted through pg', 'ms'),
  endToEndVsNaive: ratio('write to row, sustained, 10 % distinct', 'writes/s', atLeast(10, 30)),
  hotRowsOver: amount('rows written for one hot record, less T / debounce + 2', 'rows', atMost(0)),
  loopDelayP99Ms: amount('event loop delay p99 of a worker flushing at full speed', 'ms', atMost(50)),
} as const satisfies Record<string, Plan>

export type FigureName = keyof typeof FIGURES
export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[]

export interface Figure {
  /** Our figure divided by the peer's, or the amount that was measured. */
  readonly value: number
  readonly ours: number
  readonly peer?: { readonly name: string; readonly value: number }
  readonly rounds: number
  /** Our figure divided by that of each peer. */
  readonly ratios: Readonly<Record<string, number>>
  /** The medians of all contenders. */
  readonly raw: Readonly<Record<string, number>>
}

export type Figures = { readonly [N in FigureName]?: Figure }

export function planOf(name: FigureName): Plan {
  return FIGURES[name]
}

export function reaches(value: number, { bound, value: limit }: Pick<Goal, 'bound' | 'value'>): boolean {
  return bound === 'at least' ? value >= limit : value <= limit
}
