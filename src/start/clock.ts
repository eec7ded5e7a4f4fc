import type { Calls } from '../write/writer.js'

/**
 * Warns when the clocks of Redis and of this process differ. The clock of Redis decides when a record is due; values such as `now()` come from the clock of
 * this process.
 * @param prefix the prefix of the keys. The node that has these keys is asked
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
    `the clock of this process says ${new Date(after).toISOString()}, and the clock of Redis ${new Date(redis).toISOString()}, which is more than maxWait (${tolerance} ms) apart; ` +
      'synchronize them, because now() and @updatedAt take their values from the former, and flushes are due by the latter',
    { code: 'WRITE_BEHIND' },
  )
}
