/** How much is measured. Counts are operations a run, times ms. */
export interface Sizes {
  readonly rounds: number
  /** Of a contender, ms. */
  readonly warmUp: number
  /** Of a contender in a round, ms: what takes less runs several times. */
  readonly turn: number
  /** Of a measure, ms: fewer rounds where they take longer. */
  readonly patience: number
  /** Of a measure, ms: for rounds in place of those that the machine's host disturbed. */
  readonly again: number
  /** Of the whole run, ms: what is measured after that has one round. */
  readonly budget: number
  readonly inFlight: number
  readonly writes: number
  /** Of a run of ours that increments: fewer would mostly meet records for the first time. */
  readonly increments: number
  /** Records that traffic is spread over. */
  readonly records: number
  /** Records that are read. */
  readonly viewed: number
  readonly reads: number
  readonly queueAdds: number
  /** Two batches a shard. */
  readonly flushedRows: number
  readonly upserts: number
  /** Writes of a short run of the latency measure, at 5,000/s. */
  readonly pacedWrites: number
  /** Go before, as fast as a few at a time can: Node compiles, and compiles anew, until it has seen some 40,000 calls. */
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

/** @param scale of all counts, and of the times that are filled with runs */
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
