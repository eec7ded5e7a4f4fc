import { generator, latencies, percentile } from './load.js'
import { at, type Context, ioredisPeers, keysOf, type Measure, names, OURS } from './measure.js'
import { against, alternate } from './rounds.js'
import { QUIET } from './stage.js'

const RATE = 5000

/** Sets of one of 10,000 records, started at a steady rate. */
export const latencyMeasure: Measure = {
  figures: ['p99VsSet'],
  run: async (context) => {
    const { stage, sizes } = context
    const cache = await stage.openCache('bench-latency', { counter: QUIET })
    const set = (name: string, value: number) => cache.counter.upsert({ where: { name }, create: { name, value }, update: { value } })
    const ours = { name: OURS, count: sizes.pacedWrites, run: (count: number) => p99(context, count, set) }
    const peers = ioredisPeers(stage, 'ioredis SET', sizes.pacedWrites, (redis, count) =>
      p99(context, count, (name, value) => redis.set(name, value)),
    )
    const samples = await alternate(sizes, [ours, ...peers])
    return { p99VsSet: against(samples, OURS, names(peers)) }
  },
}

async function p99({ stage, sizes }: Context, count: number, write: (name: string, value: number) => Promise<unknown>): Promise<number> {
  const random = generator(5)
  const keys = keysOf('paced', sizes.records)
  const written = Array.from({ length: count }, () => at(keys, Math.floor(random() * keys.length)))
  await stage.emptyRedis()
  return percentile(await latencies(RATE, count, (n) => write(at(written, n), n)), 0.99)
}
