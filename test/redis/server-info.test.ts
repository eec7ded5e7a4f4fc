/** What the answers of a server say of its safety. */
import { expect, test } from 'vitest'
import { assess } from '../../src/redis/server-info.js'

test('a policy that INFO leaves out is asked for, and is unknown where that is refused', () => {
  const info = 'redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\naof_enabled:1\r\nevicted_keys:0\r\n'
  const unknown = 'Redis: it does not tell whether it may evict writes (maxmemory-policy)'
  expect(assess(info, undefined)).toMatchObject({ eviction: undefined, warnings: [expect.stringContaining(unknown)] })
  expect(assess(info, new Map([['maxmemory-policy', 'noeviction']]))).toMatchObject({ eviction: undefined, warnings: [] })
  expect(assess(info, new Map([['maxmemory-policy', 'allkeys-lfu']])).eviction).toContain('got allkeys-lfu')
})

test.each([
  ['redis_version:6.2.1', 'expected version 7 or later, got 6.2.1'],
  ['valkey_version:7.2.4\r\nredis_version:6.2.1', undefined],
  ['redis_version:7.2.4\r\nredis_mode:sentinel', 'expected a Redis, got a Sentinel'],
])('%j is told apart', (info, problem) => {
  expect(assess(info, undefined).problem).toEqual(problem === undefined ? undefined : expect.stringContaining(problem))
})

test('settings that lose more than a second are warnings', () => {
  const info = 'redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\naof_enabled:1\r\nmaxmemory_policy:noeviction'
  const warnings = (settings: Record<string, string>) => assess(info, new Map(Object.entries(settings))).warnings
  expect(warnings({ appendfsync: 'no' })).toEqual([expect.stringContaining('appendfsync is no')])
  expect(warnings({ appendfsync: 'everysec', 'no-appendfsync-on-rewrite': 'yes' })).toEqual([
    expect.stringContaining('no-appendfsync-on-rewrite is on'),
  ])
  expect(warnings({ appendfsync: 'always', 'no-appendfsync-on-rewrite': 'no' })).toEqual([])
})
