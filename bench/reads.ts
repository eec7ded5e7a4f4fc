import { generator, throughput } from './load.js'
import { at, type Context, ioredisPeers, keysOf, type Measure, names, OURS } from './measure.js'
import { against, alternate } from './rounds.js'
import { QUIET, type Stage } from './stage.js'

/** Measures reads of rows with six columns. Our rows come back as Prisma's do, with BigInt and Date. The peer's rows come back as texts. */
export const readMeasure: Measure = {
  figures: ['readVsHgetall'],
  run: async (context) => {
    const { stage, sizes } = context
    const random = generator(3)
    const keys = keysOf('page', sizes.viewed)
    const asked = Array.from({ length: sizes.reads }, () => at(keys, Math.floor(random() * keys.length)))
    const read = await fillViews(context, keys)
    await fillHashes(context, keys)
    const timed = (call: (key: string) => Promise<unknown>) => (count: number) =>
      throughput(count, sizes.inFlight, (n) => call(at(asked, n)))
    const peers = ioredisPeers(stage, 'ioredis HGETALL', asked.length, (redis, count) => timed((key) => redis.hgetall(hashOf(key)))(count))
    const samples = await alternate(sizes, [{ name: OURS, count: asked.length, run: timed(read) }, ...peers])
    return { readVsHgetall: against(samples, OURS, names(peers)) }
  },
}

/** Cached rows and hashes stay in Redis through all rounds, because reads change nothing. */
async function fillViews({ stage, sizes }: Context, keys: readonly string[]): Promise<(path: string) => Promise<unknown>> {
  await stage.clear()
  await fillTable(stage, keys)
  const cache = await stage.openCache('bench-reads', { pageView: QUIET })
  const read = (path: string) => cache.pageView.findUnique({ where: { path } })
  await throughput(keys.length, sizes.inFlight, (n) => read(at(keys, n)))
  return read
}

async function fillHashes({ stage, sizes }: Context, keys: readonly string[]): Promise<void> {
  const row = { path: '', views: '12345', bytes: '67890123', lastStatus: '200', lastSeen: '1763716800000', updatedAt: '1763716800000' }
  await throughput(keys.length, sizes.inFlight, (n) => stage.redis.hset(hashOf(at(keys, n)), { ...row, path: at(keys, n) }))
  await stage.settle()
}

function hashOf(key: string): string {
  return `page:${key}`
}

async function fillTable({ pool }: Stage, keys: readonly string[]): Promise<void> {
  const values = "12345, 67890123, 200, '2025-11-21 09:20:00', '2025-11-21 09:20:00'"
  await pool.query(
    `insert into page_views (path, views, bytes, last_status, last_seen, updated_at) select path, ${values} from unnest($1::text[]) path`,
    [keys],
  )
}
