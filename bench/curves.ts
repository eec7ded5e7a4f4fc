import { Crowd } from './growth.js'
import { generator, median, throughput } from './load.js'
import { at, type Context, keysOf, OURS } from './measure.js'
import type { Curve, Panel } from './plot.js'
import { against, alternate, type Contender } from './rounds.js'
import { QUIET } from './stage.js'

const ROUNDS = 3
const SET = 'ioredis SET'
const ROWS = 1000

/** What the plot shows: throughput, and cost, as records grow. */
export async function measureCurves(context: Context): Promise<Panel[]> {
  return [
    {
      title: 'Writes acknowledged, over records that are there and dirty',
      x: 'records',
      y: 'writes/s',
      curves: await throughputCurves(context),
    },
    {
      title: `Flush of ${ROWS.toLocaleString('en')} dirty rows, over rows in the table`,
      x: 'rows',
      y: 'ms',
      curves: await costCurves(context),
    },
  ]
}

async function throughputCurves(context: Context): Promise<Curve[]> {
  const { stage, sizes } = context
  const cache = await stage.openCache('bench-curves', { counter: QUIET })
  const write = (name: string, value: number) => cache.counter.upsert({ where: { name }, create: { name, value }, update: { value } })
  const ours: [number, number][] = []
  const set: [number, number][] = []
  for (const records of sizes.plot.records) {
    const contenders = [over(context, OURS, records, write), over(context, SET, records, (name, value) => stage.redis.set(name, value))]
    const { raw } = against(await alternate({ ...sizes, rounds: ROUNDS }, contenders), OURS, [SET])
    ours.push([records, raw[OURS] as number])
    set.push([records, raw[SET] as number])
  }
  return [
    { name: OURS, points: ours },
    { name: SET, points: set },
  ]
}

function over(
  { stage, sizes }: Context,
  name: string,
  records: number,
  write: (name: string, value: number) => Promise<unknown>,
): Contender {
  const keys = keysOf('record', records)
  const random = generator(19)
  const run = async (count: number) => {
    await stage.emptyRedis()
    await throughput(records, sizes.inFlight, (n) => write(at(keys, n), n))
    await stage.settle()
    return throughput(count, sizes.inFlight, (n) => write(at(keys, Math.floor(random() * records)), n))
  }
  return { name, count: sizes.plot.writes, run }
}

async function costCurves({ servers, sizes }: Context): Promise<Curve[]> {
  const points: [number, number][] = []
  for (const rows of sizes.plot.records) {
    const crowd = await Crowd.start(servers, `of_${rows}`, rows)
    try {
      const dirty = Math.min(ROWS, rows)
      await crowd.flush(dirty)
      const durations: number[] = []
      for (let flushes = 0; flushes < sizes.plot.flushes; flushes++) durations.push(await crowd.flush(dirty))
      points.push([rows, (median(durations) * ROWS) / dirty])
    } finally {
      await crowd.close()
    }
  }
  return [{ name: OURS, points }]
}
