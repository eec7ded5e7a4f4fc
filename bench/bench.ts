import { measureCurves } from './curves.js'
import { endToEndMeasure } from './end-to-end.js'
import type { Figures } from './figures.js'
import { flushMeasures } from './flushes.js'
import { growthMeasure } from './growth.js'
import { latencyMeasure } from './latency.js'
import type { Context, Measure } from './measure.js'
import { memoryMeasure } from './memory.js'
import { mixMeasures } from './mix.js'
import type { BenchOptions } from './options.js'
import { plot } from './plot.js'
import { readMeasure } from './reads.js'
import { type Circumstances, versions } from './report.js'
import { type Sizes, sizesFor } from './sizes.js'
import { Servers, Stage } from './stage.js'
import { watchStolen } from './stolen.js'
import { hotRowMeasure, loopDelayMeasure } from './workers.js'
import { writeMeasures } from './writes.js'

const MEASURES: readonly Measure[] = [
  ...writeMeasures,
  ...mixMeasures,
  readMeasure,
  latencyMeasure,
  memoryMeasure,
  ...flushMeasures,
  growthMeasure,
  endToEndMeasure,
  hotRowMeasure,
  loopDelayMeasure,
]

export interface BenchResult {
  readonly figures: Figures
  readonly circumstances: Circumstances
  /** The plot as SVG. Undefined when nobody asked for one. */
  readonly plot: string | undefined
}

/** @param tell hears one line for each measure when it is done */
export async function runBench(options: BenchOptions, tell: (line: string) => void): Promise<BenchResult> {
  const started = performance.now()
  const stolen = watchStolen()
  const sizes = sizesFor(options.quick, options.scale, options.rounds)
  const servers = await Servers.start()
  try {
    const stage = new Stage(await servers.add('bench'))
    const context = { servers, stage, sizes }
    const circumstances = { ...(await describe(options, sizes, stage)), stolen: 0, seconds: 0 }
    const figures = await measureAll(context, options, started, tell)
    const drawn = options.plot === undefined ? undefined : plot(await measureCurves(context))
    await stage.close()
    circumstances.stolen = stolen()
    circumstances.seconds = (performance.now() - started) / 1000
    return { figures, circumstances, plot: drawn }
  } finally {
    await servers.stop()
  }
}

async function measureAll(context: Context, { only }: BenchOptions, begun: number, tell: (line: string) => void): Promise<Figures> {
  let figures: Figures = {}
  for (const measure of MEASURES) {
    if (only.length > 0 && !measure.figures.some((name) => only.includes(name))) continue
    const started = performance.now()
    const { budget, patience, again } = context.sizes
    const left = Math.max(0, begun + budget - started)
    const sizes = { ...context.sizes, patience: Math.min(patience, left), again: Math.min(again, left) }
    const measured = await measure.run({ ...context, sizes })
    figures = { ...figures, ...measured }
    const words = Object.entries(measured).map(([name, { value }]) => `${name} ${value.toFixed(2)}`)
    tell(`${words.join(', ')} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  }
  return figures
}

async function describe({ quick, scale }: BenchOptions, sizes: Sizes, stage: Stage): Promise<Omit<Circumstances, 'stolen' | 'seconds'>> {
  const { rounds, growth } = sizes
  return { rounds, quick, scale, growthRecords: growth.many, ...(await versions(stage)) }
}
