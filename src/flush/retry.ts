import type { PersistError } from '../errors.js'
import type { ParkedEntry } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import type { FlushReport } from './report.js'

/** Keys in one claim. */
const MAX_NAMED = 10_000
/** Parked records that are read at a time. */
const PAGE = 1000

/** Flushes what it can of the records; another worker, or an earlier call, may have taken some of them. */
type FlushKeys = (keys: readonly string[]) => Promise<FlushReport>

/**
 * Gives parked records another chance, as many at a time as a batch holds.
 * @returns those that are refused again, and why
 */
export async function retryTogether(flush: FlushKeys, keys: readonly string[]): Promise<Map<string, PersistError>> {
  const refused = new Map<string, PersistError>()
  for (let left = keys; left.length > 0; ) {
    const some = left.slice(0, MAX_NAMED)
    const report = await flush(some)
    if (report.batches + report.parked.size === 0) {
      left = left.slice(some.length)
      continue
    }
    for (const [key, error] of report.parked) refused.set(key, error)
    const unparked = new Set(report.unparked)
    left = left.filter((key) => !refused.has(key) && !unparked.has(key))
  }
  return refused
}

/** Keys of parked records, at most so many at a time; of one that is parked or unparked meanwhile it may say nothing, or say it twice. */
export async function* parkedKeys(
  store: Pick<Store, 'parkedPage'>,
  prefix: string,
  isWanted: (entry: ParkedEntry) => boolean,
  most: number,
): AsyncGenerator<string[]> {
  for (let cursor: string | undefined = '0'; cursor !== undefined; ) {
    const page = await store.parkedPage(prefix, cursor, PAGE)
    cursor = page.cursor
    const keys = page.entries.filter(isWanted).map(({ key }) => key)
    for (let from = 0; from < keys.length; from += most) yield keys.slice(from, from + most)
  }
}
