import { type Fields, hostedBy, SETTINGS } from './hosted.js'

/** Older servers cannot read the first line of the scripts, which declares what a script needs. */
const OLDEST_VERSION = 7
/** Dragonfly says `replica`. */
const REPLICA = /^(slave|replica)$/

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
    replica: REPLICA.test(fields.get('role') ?? '')
      ? 'Redis: expected a primary, got a replica, which takes no writes or loses them'
      : undefined,
    eviction: policy === undefined || policy === 'noeviction' ? undefined : describeEviction(policy),
    warnings: [...describeUnknown(fields, policy, info === undefined), ...describePersistence(fields, settings)],
    evicted: evicted === undefined ? undefined : Number(evicted),
  }
}

function problemOf(fields: Fields): string | undefined {
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

/** One warning about everything that Redis does not tell. It names the settings to look at. */
function describeUnknown(fields: Fields, policy: string | undefined, isRefused: boolean): string[] {
  const hosted = hostedBy(fields)
  const { eviction, persistence } = hosted ?? SETTINGS
  const unknown = [
    ...(policy === undefined ? [`whether it may evict writes (${eviction})`] : []),
    ...(fields.has('valkey_version') || fields.has('redis_version') ? [] : [`its version (must be ${OLDEST_VERSION} or later)`]),
    ...(fields.has('role') ? [] : ['whether it is a primary (must not be a replica)']),
    ...(fields.has('cluster_enabled') ? [] : ['whether it is a node of a Redis Cluster (cluster mode must be off)']),
    ...(keepsWrites(fields) === undefined ? [`whether it keeps writes through a crash (${persistence})`] : []),
  ]
  const remedy = isRefused ? 'give the user the right to INFO, or check this yourself' : 'check this yourself'
  return unknown.length === 0 ? [] : [`Redis: ${hosted?.name ?? 'it'} does not tell ${unknown.join(', ')}; ${remedy}`]
}

/** Whether writes that are not in the database yet outlive a crash. `undefined` if Redis does not tell. */
function keepsWrites(fields: Fields): boolean | undefined {
  const hosted = hostedBy(fields)
  if (hosted !== undefined && hosted.persistence === undefined) return true
  if (fields.get('aof_enabled') === '1') return true
  // A service may say aof_enabled:0 and keep writes all the same.
  return fields.has('aof_enabled') && hosted === undefined ? false : undefined
}

function describePersistence(fields: Fields, settings: ReadonlyMap<string, string> | undefined): string[] {
  if (keepsWrites(fields) === false) return ['Redis: appendonly is off; a crash of Redis loses the writes that are not in the database yet']
  const warnings: string[] = []
  if (settings?.get('appendfsync') === 'no')
    warnings.push('Redis: appendfsync is no; a power cut loses the writes of half a minute, or more, that are not in the database yet')
  if (settings?.get('no-appendfsync-on-rewrite') === 'yes' && settings.get('appendfsync') !== 'no')
    warnings.push('Redis: no-appendfsync-on-rewrite is on; a crash while Redis rewrites its file loses the writes since the rewrite began')
  return warnings
}
