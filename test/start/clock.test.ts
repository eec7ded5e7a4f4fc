import { expect, test, vi } from 'vitest'
import { RetryingConnection } from '../../src/redis/retrying-connection.js'
import { Store } from '../../src/redis/store.js'
import { checkClock } from '../../src/start/clock.js'
import { createRedis } from '../fixture.js'

test('a clock that is further than maxWait from that of Redis is said with both times', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { redis, clean } = createRedis()
  const calls = { connection: new RetryingConnection(redis, 10_000), store: new Store(redis) }
  const now = Date.now()
  await checkClock(calls, 3_600_000)
  expect(warn).not.toHaveBeenCalled()
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now + 7_200_000)
  await checkClock(calls, 3_600_000)
  clock.mockReturnValue(now - 7_200_000)
  await checkClock(calls, 3_600_000)
  clock.mockRestore()
  expect(warn.mock.calls.map(([message]) => String(message))).toEqual([
    expect.stringContaining(new Date(now + 7_200_000).toISOString()),
    expect.stringContaining(new Date(now - 7_200_000).toISOString()),
  ])
  warn.mockRestore()
  await clean()
})
