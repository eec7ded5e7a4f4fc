import { throughput } from './load.js'
import { at, type Context, type Measure, OURS } from './measure.js'
import { type PageView, pageViews, upsertOf } from './page-views.js'
import { against, alone, alternate, type Contender, inShortRuns } from './rounds.js'
import { CONCURRENCY, QUIET, type Stage } from './stage.js'

const BATCH = 1000
/** Runs in a round. Single runs differ by a third, ours as much as the peers'. */
const RUNS = 4
const UPSERT = 'Prisma upsert in a loop'
const UPSERT_CONCURRENT = 'Prisma upsert, 10 in flight'
const CREATE_MANY = 'Prisma createMany'

/** The rows travel as one parameter, or as one parameter for each column. */
const RAW = {
  'pg, JSON upsert': {
    from: `json_to_recordset($1::json) as r(path text, views bigint, bytes bigint, "lastStatus" integer, "lastSeen" timestamp)`,
    values: (rows: readonly PageView[]): unknown[] => [JSON.stringify(rows)],
  },
  'pg, unnest upsert': {
    from: `unnest($1::text[], $2::bigint[], $3::bigint[], $4::integer[], $5::timestamp[]) as r(path, views, bytes, "lastStatus", "lastSeen")`,
    values: (rows: readonly PageView[]): unknown[] => [
      rows.map(({ path }) => path),
      rows.map(({ views }) => views),
      rows.map(({ bytes }) => bytes),
      rows.map(({ lastStatus }) => lastStatus),
      rows.map(({ lastSeen }) => lastSeen.toISOString()),
    ],
  },
}
const JSON_UPSERT = 'pg, JSON upsert'
const UNNEST_UPSERT = 'pg, unnest upsert'

/** Measures how many rows reach the database in a second. Half of the rows exist before, except for createMany, which only inserts. */
export const flushMeasures: readonly Measure[] = [
  {
    figures: ['flushVsRaw', 'flushVsUnnest'],
    run: async (context) => {
      const contenders = [await ours(context), rawUpsert(context, JSON_UPSERT), rawUpsert(context, UNNEST_UPSERT)]
      const samples = await alternate(inShortRuns(context.sizes, RUNS), contenders)
      return { flushVsRaw: against(samples, OURS, [JSON_UPSERT]), flushVsUnnest: against(samples, OURS, [UNNEST_UPSERT]) }
    },
  },
  {
    figures: ['flushVsUpsert', 'flushVsUpsertConcurrent', 'createManyRows'],
    run: async (context) => {
      const contenders = [await ours(context), upsert(context, UPSERT, 1), upsert(context, UPSERT_CONCURRENT, 10), createMany(context)]
      const samples = await alternate(context.sizes, contenders)
      return {
        flushVsUpsert: against(samples, OURS, [UPSERT]),
        flushVsUpsertConcurrent: against(samples, OURS, [UPSERT_CONCURRENT]),
        createManyRows: alone(samples, CREATE_MANY),
      }
    },
  },
]

/** The time includes the claims and the acknowledgements in Redis. */
async function ours({ stage, sizes }: Context): Promise<Contender> {
  const cache = await stage.openCache('bench-flush', { pageView: QUIET })
  const run = async (count: number) => {
    const rows = await prepare(stage, count)
    await throughput(count, sizes.inFlight, (n) => cache.pageView.upsert(upsertOf(at(rows, n))))
    const started = performance.now()
    const { records } = await cache.flush({ timeout: 600_000 })
    const seconds = (performance.now() - started) / 1000
    if (records !== count) throw new Error(`expected ${count} records to be flushed, got ${records}`)
    return count / seconds
  }
  return { name: OURS, count: sizes.flushedRows, run }
}

function rawUpsert({ stage, sizes }: Context, name: keyof typeof RAW): Contender {
  const { from, values } = RAW[name]
  const sql = `
    insert into page_views as t (path, views, bytes, last_status, last_seen, updated_at)
    select path, views, bytes, "lastStatus", "lastSeen", now() from ${from} order by path
    on conflict (path) do update set views = t.views + excluded.views, bytes = t.bytes + excluded.bytes,
      last_status = excluded.last_status, last_seen = excluded.last_seen, updated_at = excluded.updated_at`
  return { name, count: sizes.flushedRows, run: inBatches(stage, (rows) => stage.pool.query(sql, values(rows))) }
}

function upsert({ stage, sizes }: Context, name: string, inFlight: number): Contender {
  const run = async (count: number) => {
    const rows = await prepare(stage, count)
    return throughput(count, inFlight, (n) => stage.prisma.pageView.upsert(upsertOf(at(rows, n))))
  }
  return { name, count: sizes.upserts, run }
}

function createMany({ stage, sizes }: Context): Contender {
  const run = inBatches(stage, (rows) => stage.prisma.pageView.createMany({ data: [...rows] }), true)
  return { name: CREATE_MANY, count: Math.ceil(sizes.flushedRows / 10), run }
}

function inBatches(stage: Stage, write: (rows: readonly PageView[]) => Promise<unknown>, empty = false) {
  return async (count: number): Promise<number> => {
    const rows = await prepare(stage, count, empty)
    const batches = Array.from({ length: Math.ceil(count / BATCH) }, (_, n) => rows.slice(n * BATCH, (n + 1) * BATCH))
    const perSecond = await throughput(batches.length, CONCURRENCY, (n) => write(at(batches, n)))
    return (perSecond / batches.length) * count
  }
}

async function prepare(stage: Stage, count: number, empty = false): Promise<PageView[]> {
  await stage.clear()
  const rows = pageViews(count)
  const present = rows.filter((_, n) => n % 2 === 0).map(({ path }) => path)
  if (!empty) await stage.pool.query('insert into page_views (path, updated_at) select path, now() from unnest($1::text[]) path', [present])
  await stage.pool.query('analyze page_views')
  return rows
}
