import { models } from '../generated/write-behind.js'
import { shardOf } from '../src/model/key.js'
import { shardPrefix } from '../src/redis/keys.js'
import { generator, throughput } from './load.js'
import { at, type Measure } from './measure.js'
import { against, alternate, inShortRuns } from './rounds.js'
import { QUIET, type Servers, Stage } from './stage.js'

const NAMESPACE = 'bench-growth'
const SHARDS = 8
const COPIED_AT_ONCE = 2000
const nameOf = (record: number) => `record-${record}`

/** Measures whether a flush costs more when many other records are clean. Measures beside it an upsert of as many rows of the same table through pg. */
export const growthMeasure: Measure = {
  figures: ['flushGrowth', 'rawGrowth'],
  run: async ({ servers, sizes }) => {
    const { few, many, dirty } = sizes.growth
    const crowds = [await Crowd.start(servers, 'many', many), await Crowd.start(servers, 'few', few)]
    try {
      const contenders = crowds.flatMap((crowd) => [
        { name: crowd.name, count: dirty, run: (count: number) => crowd.flush(count) },
        { name: rawNameOf(crowd), count: dirty, run: (count: number) => crowd.upsertRaw(count) },
      ])
      const samples = await alternate(inShortRuns(sizes), contenders)
      const [most, least] = [at(crowds, 0), at(crowds, 1)]
      return {
        flushGrowth: against(samples, most.name, [least.name]),
        rawGrowth: against(samples, rawNameOf(most), [rawNameOf(least)]),
      }
    } finally {
      for (const crowd of crowds) await crowd.close()
    }
  },
}

function rawNameOf({ name }: Crowd): string {
  return `pg, ${name}`
}

type Write = (name: string) => Promise<void>
type Flush = () => Promise<{ records: number }>

/** Clean records: rows in a database of their own, and their cached rows in a Redis of their own. */
export class Crowd {
  readonly name: string
  readonly #size: number
  readonly #stage: Stage
  readonly #write: Write
  readonly #flush: Flush
  readonly #random = generator(13)

  private constructor(size: number, stage: Stage, write: Write, flush: Flush) {
    this.name = `among ${size.toLocaleString('en')}`
    this.#size = size
    this.#stage = stage
    this.#write = write
    this.#flush = flush
  }

  static async start(servers: Servers, database: string, size: number): Promise<Crowd> {
    const stage = new Stage(await servers.add(`crowd_${database}`))
    const cache = await stage.openCache(NAMESPACE, { counter: { ...QUIET, shards: SHARDS } })
    await fillTable(stage, size)
    const read = (name: string) => cache.counter.findUnique({ where: { name } })
    if ((await read(nameOf(0))) === null) throw new Error('growth: expected the cache to find the first row, got null')
    await copyViews(stage, size)
    await stage.settle()
    const write = (name: string) => cache.counter.increment({ name }, { value: 1 })
    return new Crowd(size, stage, write, () => cache.flush({ timeout: 600_000 }))
  }

  /** Resolves to the ms that a flush of `dirty` records of the crowd takes. */
  async flush(dirty: number): Promise<number> {
    await this.#dirty(dirty)
    const started = performance.now()
    await this.#flush()
    return performance.now() - started
  }

  /** Resolves to the ms that upserts through pg take, in as many statements as there are shards. */
  async upsertRaw(count: number): Promise<number> {
    const sql = `insert into "Counter" as t select name, 1 from unnest($1::text[]) name order by name
      on conflict (name) do update set value = t.value + excluded.value`
    const names = this.#choose(count).map(nameOf)
    const started = performance.now()
    const parts = Array.from({ length: SHARDS }, (_, part) => names.filter((_, n) => n % SHARDS === part))
    await Promise.all(parts.map((part) => this.#stage.pool.query(sql, [part])))
    return performance.now() - started
  }

  close(): Promise<void> {
    return this.#stage.close()
  }

  #choose(count: number): number[] {
    const chosen = new Set<number>()
    while (chosen.size < Math.min(count, this.#size)) chosen.add(Math.floor(this.#random() * this.#size))
    return [...chosen]
  }

  async #dirty(count: number): Promise<void> {
    const records = this.#choose(count)
    await throughput(records.length, records.length, (n) => this.#write(nameOf(at(records, n))))
  }
}

/**
 * Fills the table and leaves free space on its pages, as a table with many updates needs it. An update that stays on its page does not change
 * the index. The fillfactor is reset afterwards: with it, PostgreSQL would clean up a page at every update once the page is filled that far;
 * without it, PostgreSQL does so only when a tenth of the page is free.
 */
async function fillTable({ pool }: Stage, size: number): Promise<void> {
  await pool.query('alter table "Counter" set (fillfactor = 70)')
  await pool.query(`insert into "Counter" (name, value) select 'record-' || n, 0 from generate_series(0, $1::int - 1) n`, [size])
  await pool.query('alter table "Counter" reset (fillfactor)')
  await pool.query('vacuum analyze "Counter"')
  await pool.query('checkpoint')
}

/** Has Redis copy the one cached row that the library made, because a million loads would take a minute. All rows are alike. */
async function copyViews({ redis }: Stage, size: number): Promise<void> {
  const viewOf = (name: string) => `${shardPrefix(NAMESPACE, models.counter.name, shardOf(name, SHARDS))}view/${name}`
  const script = `for n = 2, #KEYS do redis.call('COPY', KEYS[1], KEYS[n]) end return redis.call('EXISTS', KEYS[#KEYS])`
  for (let from = 1; from < size; from += COPIED_AT_ONCE) {
    const names = Array.from({ length: Math.min(COPIED_AT_ONCE, size - from) }, (_, n) => nameOf(from + n))
    const copied = await redis.eval(script, names.length + 1, viewOf(nameOf(0)), ...names.map(viewOf))
    if (copied !== 1) throw new Error('growth: expected Redis to copy the cached row of the first record, but the copy is not there')
  }
}
