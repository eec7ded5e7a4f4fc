import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/environment/setup.ts',
    pool: 'forks',
    maxWorkers: 2,
    // Machines that run tests are busy, and their hosts may take most of their time: impatience is no test of the library.
    expect: { poll: { timeout: 60_000 } },
    testTimeout: 300_000,
    hookTimeout: 300_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'] },
  },
})
