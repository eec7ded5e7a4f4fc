import { latencies, throughput } from './load.js'
import { at, type Measure, OURS } from './measure.js'
import { pageViews, upsertOf } from './page-views.js'
import { alone, alternate } from './rounds.js'
import type { Stage } from './stage.js'
import { isIdle, until } from './until.js'
import { WorkerProcess } from './worker-process.js'

const HOT_RATE = 40_000
const HOT_DEBOUNCE = 200

/** Counts, with a trigger, how often one row is written while it is incremented all the time. */
export const hotRowMeasure: Measure = {
  figures: ['hotRowsOver'],
  run: async (context) => {
    const { stage, sizes } = context
    const cache = await stage.openCache('bench-hot', { counter: { debounce: HOT_DEBOUNCE, maxWait: HOT_DEBOUNCE } })
    const run = async (count: number) => {
      await stage.clear()
      const started = performance.now()
      await latencies(HOT_RATE, count, () => cache.counter.increment({ name: 'hot' }, { value: 1 }))
      const periods = (performance.now() - started) / HOT_DEBOUNCE
      await until('the hot row to be flushed', async () => (await hotValue(stage)) === count)
      await until('the worker to be idle', () => isIdle(cache))
      return (await rowsWritten(stage)) - (periods + 2)
    }
    await countRows(stage)
    await cache.startWorker()
    try {
      // One round is enough, because a count does not scatter. A round takes seconds.
      return {
        hotRowsOver: alone(
          await alternate({ ...sizes, rounds: 1, turn: 0, again: 0 }, [{ name: OURS, count: sizes.hotWrites, run }]),
          OURS,
        ),
      }
    } finally {
      await cache.close()
      await stage.pool.query('drop trigger bench_count on "Counter"; drop function bench_count; drop table bench_count')
    }
  },
}

async function countRows({ pool }: Stage): Promise<void> {
  await pool.query(`
    create table bench_count (name text);
    create function bench_count() returns trigger language plpgsql as
      $$ begin insert into bench_count values (new.name); return null; end $$;
    create trigger bench_count after insert or update on "Counter" for each row execute function bench_count()`)
}

async function hotValue({ pool }: Stage): Promise<number> {
  const { rows } = await pool.query<{ value: string }>('select value from "Counter"')
  return Number(rows[0]?.value ?? 0)
}

async function rowsWritten({ pool }: Stage): Promise<number> {
  const { rows } = await pool.query<{ count: string }>('with counted as (delete from bench_count returning 1) select count(*) from counted')
  return Number(rows[0]?.count)
}

const BACKLOG_NAMESPACE = 'bench-loop-delay'
const BACKLOG_POLICIES = { pageView: { debounce: 1, maxWait: 1, maxDirty: 100_000_000 } }

/** Measures the event loop delay of a worker process that flushes a backlog. It includes the cold start of the worker. */
export const loopDelayMeasure: Measure = {
  figures: ['loopDelayP99Ms'],
  run: async ({ stage, sizes }) => {
    const cache = await stage.openCache(BACKLOG_NAMESPACE, BACKLOG_POLICIES)
    const setup = { ...stage.addresses, design: OURS, namespace: BACKLOG_NAMESPACE, policies: BACKLOG_POLICIES } as const
    await stage.clear()
    const worker = await WorkerProcess.spawn(setup)
    try {
      const visits = pageViews(sizes.backlog)
      await throughput(sizes.backlog, sizes.inFlight, (n) => cache.pageView.upsert(upsertOf(at(visits, n))))
      await worker.start()
      await until('the backlog to be flushed', async () => (await cache.status()).every(({ dirty }) => dirty === 0))
      const p99 = await worker.delay()
      return { loopDelayP99Ms: { value: p99, ours: p99, rounds: 1, ratios: {}, raw: { [OURS]: p99 } } }
    } finally {
      await worker.stop()
    }
  },
}
