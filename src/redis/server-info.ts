/** Older servers cannot read the first line of the scripts, which declares what a script needs. */
const OLDEST_VERSION = 7

/** What is wrong with a Redis. Each finding is a sentence. */
export interface Findings {
  /** Why the library cannot work with it. */
  readonly problem: string | undefined
  /** Says that it is a replica. */
  readonly replica: string | undefined
  /** Says that it may evict changes that are not in the database yet. */
  readonly eviction: string | undefined
  /** Settings that are unsafe and may be intended, and things that Redis does not tell. */
  readonly warnings: readonly string[]
  /** The number of keys that it has evicted since its start. */
  readonly evicted: number | undefined
}

/**
 * @param info the reply to INFO; `undefined` if the user may not ask
 * @param settings the reply to CONFIG GET; `undefined` if the user may not ask
 */
export function assess(info: string | undefined, settings: ReadonlyMap<string, string> | undefined): Findings {
  const fields = new Map((info ?? '').split('\r\n').map((line) => line.split(':', 2) as [string, string]))
  const policy = fields.get('maxmemory_policy') ?? settings?.get('maxmemory-policy')
  const evicted = fields.get('evicted_keys')
  return {
    problem: problemOf(fields),
    replica: fields.get('role') === 'slave' ? 'Redis: expected a primary, got a replica, which takes no writes or loses them' : undefined,
    eviction: policy === undefined || policy === 'noeviction' ? undefined : describeEviction(policy),
    warnings: [...describeUnknown(fields, policy), ...describePersistence(fields, settings)],
    evicted: evicted === undefined ? undefined : Number(evicted),
  }
}

function problemOf(fields: ReadonlyMap<string, string>): string | undefined {
  if (fields.get('redis_mode') === 'sentinel')
    return 'Redis: expected a Redis, got a Sentinel, which is named in the option sentinels of ioredis'
  if (fields.get('cluster_enabled') === '1')
    return 'Redis: expected one Redis, got a node of a Redis Cluster (cluster_enabled:1), which holds only some of the keys and is not supported'
  const version = fields.get('valkey_version') ?? fields.get('redis_version')
  return version !== undefined && Number.parseInt(version, 10) < OLDEST_VERSION
    ? `Redis: expected version ${OLDEST_VERSION} or later, got ${version}`
    : undefined
}

function describeEviction(policy: string): string {
  return `Redis: expected maxmemory-policy noeviction, as any other evicts writes that are not in the database yet; got ${policy}`
}

function describeUnknown(fields: ReadonlyMap<string, string>, policy: string | undefined): string[] {
  const unknown = [
    ...(policy === undefined ? ['whether it may evict writes (maxmemory-policy)'] : []),
    ...(fields.has('valkey_version') || fields.has('redis_version') ? [] : ['its version']),
    ...(fields.has('role') ? [] : ['whether it is a primary']),
    ...(fields.has('cluster_enabled') ? [] : ['whether it is a node of a Redis Cluster']),
    ...(fields.has('aof_enabled') ? [] : ['whether appendonly is on']),
  ]
  return unknown.length === 0
    ? []
    : [`Redis: it does not tell ${unknown.join(', ')}; give the user the right to INFO, or see to it yourself`]
}

function describePersistence(fields: ReadonlyMap<string, string>, settings: ReadonlyMap<string, string> | undefined): string[] {
  if (fields.get('aof_enabled') === '0')
    return ['Redis: appendonly is off; a crash of Redis loses the writes that are not in the database yet']
  const warnings: string[] = []
  if (settings?.get('appendfsync') === 'no')
    warnings.push('Redis: appendfsync is no; a power cut loses the writes of half a minute, or more, that are not in the database yet')
  if (settings?.get('no-appendfsync-on-rewrite') === 'yes' && settings.get('appendfsync') !== 'no')
    warnings.push('Redis: no-appendfsync-on-rewrite is on; a crash while Redis rewrites its file loses the writes since the rewrite began')
  return warnings
}
