import type { Calls } from '../write/writer.js'

/**
 * Dirty records are due by Redis' clock, values such as `now()` are of this process': the two are to say the same.
 * @param prefix of keys whose node is asked
 * @param tolerance ms
 * @throws UnavailableError
 */
export async function checkClock({ connection, store }: Calls, prefix: string, tolerance: number): Promise<void> {
  const before = Date.now()
  const redis = await connection.ask(undefined, () => store.now(prefix))
  const after = Date.now()
  const apart = Math.max(before - redis, redis - after)
  if (apart <= tolerance) return
  process.emitWarning(
    `the clock of this process says ${new Date(after).toISOString()}, that of Redis ${new Date(redis).toISOString()}: more than maxWait (${tolerance} ms) apart; ` +
      'values such as now() and @updatedAt are of the former, and flushes are due by the latter',
    { code: 'WRITE_BEHIND' },
  )
}
