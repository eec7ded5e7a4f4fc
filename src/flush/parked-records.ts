/** Lists the parked records of a shard, and tries them again. */
import type { PersistError } from '../errors.js'
import type { ParkedEntry } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import type { FlushReport } from './report.js'

/** The highest number of keys in one claim. */
const MAX_CLAIMED = 10_000
/** The number of parked records that one call reads. */
const PAGE_SIZE = 1000

type ParkedPages = Pick<Store, 'parkedPage'>

/** Flushes records by their keys. It may leave some out, because another worker or an earlier call has taken them. */
type FlushKeys = (keys: readonly string[]) => Promise<FlushReport>

/**
 * Tries parked records again, as many together as one claim takes.
 * @returns the records that the database refused again, and why
 */
export async function retryTogether(flush: FlushKeys, keys: readonly string[]): Promise<Map<string, PersistError>> {
  const refused = new Map<string, PersistError>()
  for (let left = keys; left.length > 0; ) {
    const claimed = left.slice(0, MAX_CLAIMED)
    const report = await flush(claimed)
    if (report.batches + report.parked.size === 0) {
      left = left.slice(claimed.length)
      continue
    }
    for (const [key, error] of report.parked) refused.set(key, error)
    const unparked = new Set(report.unparked)
    left = left.filter((key) => !refused.has(key) && !unparked.has(key))
  }
  return refused
}

/**
 * The parked records of a shard, page by page. A record that is parked or unparked while the pages are read may be missing, and any record
 * may come twice, because Redis lists them by HSCAN.
 */
export async function* parkedPages(store: ParkedPages, prefix: string): AsyncGenerator<readonly ParkedEntry[]> {
  for (let cursor: string | undefined = '0'; cursor !== undefined; ) {
    const page = await store.parkedPage(prefix, cursor, PAGE_SIZE)
    cursor = page.cursor
    yield page.entries
  }
}

/** The keys of those parked records that are wanted, at most `maxKeys` at a time. */
export async function* parkedKeys(
  store: ParkedPages,
  prefix: string,
  isWanted: (entry: ParkedEntry) => boolean,
  maxKeys: number,
): AsyncGenerator<string[]> {
  for await (const entries of parkedPages(store, prefix)) {
    const keys = entries.filter(isWanted).map(({ key }) => key)
    for (let from = 0; from < keys.length; from += maxKeys) yield keys.slice(from, from + maxKeys)
  }
}
