import { Crowd } from './growth.js'
import { generator, throughput } from './load.js'
import { at, type Context, keysOf, OURS } from './measure.js'
import type { Curve, Panel } from './plot.js'
import { alone, alternate, type Contender, inShortRuns, type Samples, times } from './rounds.js'
import { QUIET } from './stage.js'

const ROUNDS = 3
const SET = 'ioredis SET'
const UPSERT = 'pg upsert'
const ROWS = 1000

/** Measures what the plot shows: how throughput and cost change as the number of records grows. */
export async function measureCurves(context: Context): Promise<Panel[]> {
  return [
    {
      title: 'Writes acknowledged, by the number of records that are dirty',
      x: 'records',
      y: 'writes/s',
      curves: await throughputCurves(context),
    },
    {
      title: `Flush of ${ROWS.toLocaleString('en')} dirty rows, by the number of rows in the table`,
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
  const contenders = sizes.plot.records.flatMap((records) => [
    over(context, OURS, records, write),
    over(context, SET, records, (name, value) => stage.redis.set(name, value)),
  ])
  const samples = await alternate({ ...times(sizes.plot.records.length, sizes), rounds: ROUNDS }, contenders)
  return [OURS, SET].map((name) => curve(samples, name, sizes.plot.records))
}

/** Takes a contender's median of all rounds, for each number of records. The points take turns, so that a slow minute of the machine affects all. */
function curve(samples: Samples, name: string, records: readonly number[]): Curve {
  return { name, points: records.map((count) => [count, alone(samples, among(name, count)).value]) }
}

function among(name: string, records: number): string {
  return `${name}, ${records}`
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
  return { name: among(name, records), count: sizes.plot.writes, run }
}

async function costCurves({ servers, sizes }: Context): Promise<Curve[]> {
  const crowds: Crowd[] = []
  try {
    for (const rows of sizes.plot.records) crowds.push(await Crowd.start(servers, `of_${rows}`, rows))
    const contenders = crowds.flatMap((crowd, n) => {
      const rows = at(sizes.plot.records, n)
      const ofRows = (name: string, run: (count: number) => Promise<number>): Contender => ({
        name: among(name, rows),
        count: Math.min(ROWS, rows),
        run: async (count) => ((await run(count)) * ROWS) / count,
      })
      return [ofRows(OURS, (count) => crowd.flush(count)), ofRows(UPSERT, (count) => crowd.upsertRaw(count))]
    })
    const samples = await alternate(inShortRuns(sizes), contenders)
    return [OURS, UPSERT].map((name) => curve(samples, name, sizes.plot.records))
  } finally {
    for (const crowd of crowds) await crowd.close()
  }
}
