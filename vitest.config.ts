import { defineConfig } from 'vitest/config'

/**
 * Tests that need a process of their own. They measure times, change what the whole process shares, or leave something behind.
 * All others share a few processes, because the imports of a file cost more than most files do.
 */
const ALONE = [
  'test/{redaction,schedules,secrets,strategy-schedules}.test.ts',
  'test/telemetry/*.test.ts',
  'test/flush/{crafted-jobs,queue-state,semaphore,sweeper,worker}.test.ts',
  'test/redis/{refusal,slow-connection}.test.ts',
  'test/start/{clock,confirmation}.test.ts',
]

/** Machines that run tests are busy, and their hosts may take most of their time: impatience is no test of the library. */
const PATIENCE = {
  expect: { poll: { timeout: Number(process.env.POLL_TIMEOUT ?? 60_000) } },
  testTimeout: Number(process.env.TEST_TIMEOUT ?? 300_000),
  hookTimeout: 300_000,
}

export default defineConfig({
  test: {
    globalSetup: 'test/environment/setup.ts',
    pool: 'forks',
    // More than there are cores, as many tests wait most of the time.
    maxWorkers: 5,
    coverage: { provider: 'v8', include: ['src/**/*.ts'] },
    projects: [
      { test: { ...PATIENCE, name: 'alone', include: ALONE } },
      { test: { ...PATIENCE, name: 'together', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false } },
    ],
  },
})
