import { generator, throughput } from './load.js'
import { at, type Context, keysOf, type Measure, OURS } from './measure.js'
import { NaiveWriter } from './naive.js'
import { against, alternate, type Contender, inLongRuns } from './rounds.js'
import type { Stage } from './stage.js'
import { isIdle, until } from './until.js'
import { WorkerProcess, type WorkerSetup } from './worker-process.js'

const NAMESPACE = 'bench-end-to-end'
const DEBOUNCE = 100
const POLICIES = { counter: { debounce: DEBOUNCE, maxWait: 5 * DEBOUNCE } }
const DISTINCT_SHARE = 0.1
const NAIVE = 'naive: INCRBY, queue.add, upsert'

/** Measures from the first write until the sum of all rows is right. The writer runs in this process, the worker in a process of its own. */
export const endToEndMeasure: Measure = {
  figures: ['endToEndVsNaive'],
  run: async (context) => {
    const { stage, sizes } = context
    const workers = await Promise.all((['write-behind', 'naive'] as const).map((design) => startWorker(stage, design)))
    try {
      const samples = await alternate(inLongRuns(sizes), [await ours(context), naive(context)])
      return { endToEndVsNaive: against(samples, OURS, [NAIVE]) }
    } finally {
      for (const worker of workers) await worker.stop()
    }
  },
}

async function startWorker(stage: Stage, design: WorkerSetup['design']): Promise<WorkerProcess> {
  const worker = await WorkerProcess.spawn({ ...stage.addresses, design, namespace: NAMESPACE, policies: POLICIES })
  await worker.start()
  return worker
}

async function ours(context: Context): Promise<Contender> {
  const cache = await context.stage.openCache(NAMESPACE, POLICIES)
  const run = (count: number) =>
    timed(
      context,
      count,
      (name) => cache.counter.increment({ name }, { value: 1 }),
      () => isIdle(cache),
    )
  return { name: OURS, count: context.sizes.endToEnd.ours, run }
}

function naive(context: Context): Contender {
  const writer = new NaiveWriter(context.stage, DEBOUNCE)
  context.stage.onClose(() => writer.close())
  const run = (count: number) =>
    timed(
      context,
      count,
      (name) => writer.increment(name),
      () => writer.isIdle(),
    )
  return { name: NAIVE, count: context.sizes.endToEnd.naive, run }
}

async function timed(
  { stage, sizes }: Context,
  count: number,
  write: (name: string) => Promise<unknown>,
  isIdle: () => Promise<boolean>,
): Promise<number> {
  await stage.clear()
  const keys = keysOf('row', Math.ceil(count * DISTINCT_SHARE))
  const random = generator(17)
  const started = performance.now()
  await throughput(count, sizes.inFlight, () => write(at(keys, Math.floor(random() * keys.length))))
  await until(`${count} writes to reach the rows`, async () => (await sum(stage)) === count)
  const perSecond = count / ((performance.now() - started) / 1000)
  // The next step empties Redis. A job that still runs would find that it is gone.
  await until('the worker to be idle', isIdle)
  return perSecond
}

async function sum({ pool }: Stage): Promise<number> {
  const { rows } = await pool.query<{ sum: string }>('select coalesce(sum(value), 0) as sum from "Counter"')
  return Number(rows[0]?.sum)
}
