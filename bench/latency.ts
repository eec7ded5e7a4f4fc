import { withCoresOfTheirOwn } from './cores.js'
import { generator, latencies, percentile, throughput } from './load.js'
import { at, type Context, ioredisPeers, keysOf, type Measure, names, OURS } from './measure.js'
import { against, alternate } from './rounds.js'
import { QUIET, type Stage } from './stage.js'

const RATE = 5000
/** Ms until what emptying Redis leaves to be done in the background is over. */
const REST = 200
/** So many runs' writes go before, as fast as a few at a time can: Node compiles, and compiles anew, until it has seen some 40,000 calls. */
const WARM_UP_RUNS = 10
const WARM_UP_IN_FLIGHT = 4

type Write = (name: string, value: number) => Promise<unknown>

/** Sets of one of 10,000 records, started at a steady rate. */
export const latencyMeasure: Measure = {
  figures: ['p99VsSet'],
  run: async (context) => {
    const { stage, sizes } = context
    const cache = await stage.openCache('bench-latency', { counter: QUIET })
    const set: Write = (name, value) => cache.counter.upsert({ where: { name }, create: { name, value }, update: { value } })
    const sets =
      (redis: Stage['redis']): Write =>
      (name, value) =>
        redis.set(name, value)
    for (const write of [set, sets(stage.redis), sets(stage.pipelining)]) await warm(context, write)
    const ours = { name: OURS, count: sizes.pacedWrites, run: (count: number) => p99(context, count, set) }
    const peers = ioredisPeers(stage, 'ioredis SET', sizes.pacedWrites, (redis, count) => p99(context, count, sets(redis)))
    const samples = await withCoresOfTheirOwn(stage.redis, () => alternate(sizes, [ours, ...peers]))
    return { p99VsSet: against(samples, OURS, names(peers)) }
  },
}

async function warm({ sizes }: Context, write: Write): Promise<void> {
  const keys = keysOf('paced', sizes.records)
  await throughput(WARM_UP_RUNS * sizes.pacedWrites, WARM_UP_IN_FLIGHT, (n) => write(at(keys, n % keys.length), n))
}

async function p99({ stage, sizes }: Context, count: number, write: Write): Promise<number> {
  const random = generator(5)
  const keys = keysOf('paced', sizes.records)
  const written = Array.from({ length: count }, () => at(keys, Math.floor(random() * keys.length)))
  await stage.emptyRedis()
  await new Promise((resolve) => setTimeout(resolve, REST))
  return percentile(await latencies(RATE, count, (n) => write(at(written, n), n)), 0.99)
}
