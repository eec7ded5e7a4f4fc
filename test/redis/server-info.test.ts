/** What the answers of a server tell about its safety. */
import { describe, expect, test } from 'vitest'
import { assess } from '../../src/redis/server-info.js'

test('an eviction policy that INFO leaves out is taken from CONFIG, and is unknown where that is refused', () => {
  const info = 'redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\naof_enabled:1\r\nevicted_keys:0\r\n'
  const unknown = 'Redis: it does not tell whether it may evict writes (maxmemory-policy must be noeviction); check this yourself'
  expect(assess(info, undefined)).toMatchObject({ eviction: undefined, warnings: [unknown] })
  expect(assess(info, new Map([['maxmemory-policy', 'noeviction']]))).toMatchObject({ eviction: undefined, warnings: [] })
  expect(assess(info, new Map([['maxmemory-policy', 'allkeys-lfu']])).eviction).toContain('got allkeys-lfu')
})

test.each([
  ['redis_version:6.2.1', 'expected version 7 or later, got 6.2.1'],
  ['valkey_version:7.2.4\r\nredis_version:6.2.1', undefined],
  ['redis_version:7.2.4\r\nredis_mode:sentinel', 'expected a Redis, got a Sentinel'],
])('a server that says %j is recognised', (info, problem) => {
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

test.each(['slave', 'replica'])('a server with the role %s is a replica', (role) => {
  expect(assess(`redis_version:7.4.0\r\nrole:${role}`, undefined).replica).toContain('expected a primary, got a replica')
})

test('a server that refuses INFO gets one warning, which names each setting to look at', () => {
  expect(assess(undefined, undefined).warnings).toEqual([
    'Redis: it does not tell whether it may evict writes (maxmemory-policy must be noeviction), its version (must be 7 or later), whether it is a primary (must not be a replica), whether it is a node of a Redis Cluster (cluster mode must be off), whether it keeps writes through a crash (appendonly must be on); give the user the right to INFO, or check this yourself',
  ])
})

describe('a service whose INFO differs', () => {
  const common = ['redis_version:7.2.0', 'role:master', 'cluster_enabled:0', 'maxmemory_policy:noeviction']
  const warningsOf = (...lines: string[]) => assess(lines.join('\r\n'), undefined).warnings

  test.each([
    ['MemoryDB', 'os:Amazon MemoryDB', ['aof_enabled:0']],
    ['Upstash', 'upstash_version:1.13.3', []],
  ])('%s keeps its writes without an append-only file', (_, sign, persistence) => {
    expect(warningsOf(sign, ...persistence, ...common)).toEqual([])
  })

  test('Upstash is asked for its eviction by the name that it has there', () => {
    expect(warningsOf('upstash_version:1.13.3', 'redis_version:8.2.0')).toEqual([
      'Redis: Upstash does not tell whether it may evict writes (Eviction must be disabled for the database), whether it is a primary (must not be a replica), whether it is a node of a Redis Cluster (cluster mode must be off); check this yourself',
    ])
  })

  test('Redis Enterprise tells neither its eviction policy nor its persistence, and one warning names both', () => {
    const info = [`redis_build_id:${'0'.repeat(40)}`, 'redis_version:7.2.0', 'role:master', 'cluster_enabled:0']
    const eviction = 'whether it may evict writes (the eviction policy of the database must be noeviction)'
    const persistence = 'whether it keeps writes through a crash (the data persistence of the database must be an append-only file)'
    const warning = (what: string) =>
      `Redis: Redis Enterprise (Redis Cloud, Azure Managed Redis) does not tell ${what}; check this yourself`
    expect(warningsOf(...info, 'aof_enabled:0')).toEqual([warning(`${eviction}, ${persistence}`)])
    expect(warningsOf(...info, 'aof_enabled:1')).toEqual([warning(eviction)])
  })

  test('ElastiCache keeps its writes by its durability, which it does not tell', () => {
    expect(warningsOf('os:Amazon ElastiCache', 'aof_enabled:0', ...common)).toEqual([
      'Redis: Amazon ElastiCache does not tell whether it keeps writes through a crash (the durability of the cluster must be sync); check this yourself',
    ])
  })

  test('a build of Redis that names itself is believed when it says that appendonly is off', () => {
    for (const sign of ['redis_build_id:0', 'redis_build_id:c701a4acd98ea64a', 'os:Linux 6.1.0'])
      expect(warningsOf(sign, 'aof_enabled:0', ...common)).toEqual([expect.stringContaining('appendonly is off')])
  })

  test('that may evict, is too old, or is a node of a Redis Cluster is refused like any other', () => {
    for (const sign of ['os:Amazon MemoryDB', 'upstash_version:1.13.3', `redis_build_id:${'0'.repeat(40)}`]) {
      expect(assess(`${sign}\r\nmaxmemory_policy:optimistic-volatile`, undefined).eviction).toContain('got optimistic-volatile')
      expect(assess(`${sign}\r\nredis_version:6.2.6`, undefined).problem).toContain('got 6.2.6')
      expect(assess(`${sign}\r\ncluster_enabled:1`, undefined).problem).toContain('cluster_enabled:1')
    }
  })
})
