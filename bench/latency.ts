import { withCoresOfTheirOwn } from './cores.js'
import { generator, latencies, percentile, throughput } from './load.js'
import { at, keysOf, type Measure, OURS } from './measure.js'
import { against, alternate, inShortRuns, times } from './rounds.js'
import { QUIET } from './stage.js'

const PEER = 'ioredis SET'
const RATE = 5000
/** After Redis was emptied, its work in the background ends within this many ms. */
const REST = 200
const WARM_UP_IN_FLIGHT = 4

const random = generator(5)

type Write = (name: string, value: number) => Promise<unknown>

/** Measures the p99 of sets to 10,000 records that start at a steady rate. Each run takes the p99 of a tenth of a second, and the runs take turns. */
export const latencyMeasure: Measure = {
  figures: ['p99VsSet'],
  run: async ({ stage, sizes }) => {
    const cache = await stage.openCache('bench-latency', { counter: QUIET })
    const ours: Write = (name, value) => cache.counter.upsert({ where: { name }, create: { name, value }, update: { value } })
    const set: Write = (name, value) => stage.redis.set(name, value)
    const keys = keysOf('paced', sizes.records)
    for (const write of [ours, set]) await warm(keys, sizes.pacedWarmUp, write)
    const contenders = [
      { name: OURS, count: sizes.pacedWrites, run: (count: number) => p99(keys, count, ours) },
      { name: PEER, count: sizes.pacedWrites, run: (count: number) => p99(keys, count, set) },
    ]
    await stage.emptyRedis()
    await new Promise((resolve) => setTimeout(resolve, REST))
    // Pauses make rounds differ more here than in any other measure.
    const patience = times(3, inShortRuns(sizes))
    const samples = await withCoresOfTheirOwn(stage.redis, () => alternate(patience, contenders))
    return { p99VsSet: against(samples, OURS, [PEER]) }
  },
}

async function warm(keys: readonly string[], count: number, write: Write): Promise<void> {
  await throughput(count, WARM_UP_IN_FLIGHT, (n) => write(at(keys, n % keys.length), n))
}

/** Takes the p99 of the second half of a run, because the first half also cleans up after earlier runs. */
async function p99(keys: readonly string[], count: number, write: Write): Promise<number> {
  const written = Array.from({ length: count }, () => at(keys, Math.floor(random() * keys.length)))
  const measured = await latencies(RATE, count, (n) => write(at(written, n), n))
  return percentile(measured.subarray(count / 2), 0.99)
}
