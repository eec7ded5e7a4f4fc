/** Says how much is measured. Counts are operations in a run, times are in ms. */
export interface Sizes {
  readonly rounds: number
  /** A contender warms up for this long. */
  readonly warmUp: number
  /** A contender's turn in a round takes this long. A shorter run is repeated. */
  readonly turn: number
  /** A measure takes this long. If its rounds are long, it has fewer of them. */
  readonly patience: number
  /** A measure may take this much longer, to repeat rounds that the machine's host disturbed. */
  readonly again: number
  /** The whole run takes this long. A measure that begins later has one round. */
  readonly budget: number
  readonly inFlight: number
  readonly writes: number
  /** Increments in a run of ours. With fewer of them, most records would be met for the first time. */
  readonly increments: number
  /** The number of records that traffic is spread over. */
  readonly records: number
  /** Records that are read. */
  readonly viewed: number
  readonly reads: number
  readonly queueAdds: number
  /** Two batches for each shard. */
  readonly flushedRows: number
  readonly upserts: number
  /** Writes in a short run of the latency measure, at 5,000/s. */
  readonly pacedWrites: number
  /** Writes before the latency measure. Node compiles the code, and compiles it again, until it has made some 40,000 calls. */
  readonly pacedWarmUp: number
  readonly growth: { readonly few: number; readonly many: number; readonly dirty: number }
  readonly endToEnd: { readonly ours: number; readonly naive: number }
  readonly hotWrites: number
  readonly backlog: number
  readonly plot: { readonly records: readonly number[]; readonly writes: number }
}

const FULL: Sizes = {
  rounds: 7,
  warmUp: 3000,
  turn: 1000,
  patience: 17_000,
  again: 34_000,
  budget: 900_000,
  inFlight: 1000,
  writes: 120_000,
  increments: 120_000,
  records: 10_000,
  viewed: 10_000,
  reads: 120_000,
  queueAdds: 160_000,
  flushedRows: 15_000,
  upserts: 2000,
  pacedWrites: 1000,
  pacedWarmUp: 50_000,
  growth: { few: 10_000, many: 1_000_000, dirty: 1000 },
  endToEnd: { ours: 150_000, naive: 40_000 },
  hotWrites: 100_000,
  backlog: 200_000,
  plot: { records: [1000, 10_000, 100_000, 1_000_000], writes: 60_000 },
}

const QUICK: Sizes = {
  ...FULL,
  rounds: 3,
  warmUp: 200,
  turn: 150,
  patience: 400,
  again: 0,
  budget: 40_000,
  writes: 15_000,
  viewed: 2000,
  reads: 12_000,
  queueAdds: 12_000,
  upserts: 200,
  pacedWarmUp: 30_000,
  growth: { few: 10_000, many: 100_000, dirty: 1000 },
  endToEnd: { ours: 30_000, naive: 1500 },
  hotWrites: 40_000,
  backlog: 50_000,
  plot: { records: [1000, 10_000, 100_000], writes: 10_000 },
}

const FEWEST = 20

/** @param scale multiplies all counts, and the times that are filled with runs */
export function sizesFor(quick: boolean, scale: number, rounds: number | undefined): Sizes {
  const sizes = scaled(quick ? QUICK : FULL, scale)
  return rounds === undefined ? sizes : { ...sizes, rounds }
}

function scaled(sizes: Sizes, scale: number): Sizes {
  const of = (count: number) => Math.max(FEWEST, Math.round(count * scale))
  const { growth, endToEnd, plot } = sizes
  return {
    ...sizes,
    warmUp: sizes.warmUp * scale,
    turn: sizes.turn * scale,
    patience: sizes.patience * scale,
    again: sizes.again * scale,
    writes: of(sizes.writes),
    increments: of(sizes.increments),
    records: of(sizes.records),
    viewed: of(sizes.viewed),
    reads: of(sizes.reads),
    queueAdds: of(sizes.queueAdds),
    flushedRows: of(sizes.flushedRows),
    upserts: of(sizes.upserts),
    pacedWrites: of(sizes.pacedWrites),
    pacedWarmUp: of(sizes.pacedWarmUp),
    growth: { ...growth, few: of(growth.few), many: of(growth.many), dirty: of(growth.dirty) },
    endToEnd: { ours: of(endToEnd.ours), naive: of(endToEnd.naive) },
    hotWrites: of(sizes.hotWrites),
    backlog: of(sizes.backlog),
    plot: { ...plot, records: plot.records.map(of), writes: of(plot.writes) },
  }
}
