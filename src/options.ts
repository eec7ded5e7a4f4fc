import { ConfigurationError } from './errors.js'

/** How one model is written and read. Times are milliseconds. */
export interface Policy {
  /**
   * Where a write goes before it is acknowledged: `write-behind` to Redis, from where it is flushed · `write-through` to the database, then
   * the view is loaded · `write-around` to the database, and the view is dropped. docs/strategies.md says which one for which data.
   * @default 'write-behind'
   */
  strategy?: 'write-behind' | 'write-through' | 'write-around'
  /**
   * What queries of the Prisma extension do that one record cannot answer (`findMany`, `count`, …), where writes may not be in the database
   * yet: `stale` reads the database as it is · `flush` flushes the model first. @default 'stale'
   */
  queries?: 'stale' | 'flush'
  /**
   * A record is due when it was not written for this long; one that is written again and again up to an eighth of that later, at most 100 ms.
   * It is flushed then, or, if its shard has just been, as much as a debounce later, at most 250 ms. @default 1000
   */
  debounce?: number
  /** A record is due at the latest this long after its first unflushed write. @default 5000 */
  maxWait?: number
  /** Units of flushing and of ordering; flushes of different shards run side by side. Change it only while nothing is dirty. @default 8 */
  shards?: number
  /**
   * Most records in a batch, that is in one SQL statement. A batch has fewer if their values come to more than 4 MiB, or after statements
   * that took longer than half a second. @default 1000
   */
  batchSize?: number
  /** One job a dirty shard, or one job a dirty record, so that the board shows every key. @default 'shard' */
  jobs?: 'shard' | 'record'
  /**
   * Most dirty records of the model, without those of batches in flight. Each shard takes its share, `maxDirty / shards`; past that, writes to
   * records of the shard that have no pending change are refused with BacklogFullError. @default 1000000
   */
  maxDirty?: number
  /**
   * Most bytes of one write to a record: its key, and its values as Redis holds them; at most 64 MiB. Twice as many may wait for a flush of one
   * record. What has more is refused with InvalidInputError; the Prisma extension writes it to the database itself. A worker needs about 16 bytes
   * of heap a byte. @default 4194304
   */
  maxRecordSize?: number
  /** How long a clean record stays readable from Redis. @default 60000 */
  viewTtl?: number
  /** How long it is remembered that a row is missing. @default 5000 */
  missingTtl?: number
  /** How often a failing flush is tried before it is listed as failed; the sweeper then starts a new one, for a parked record after 5 minutes. @default 20 */
  attempts?: number
  /** First wait between attempts; doubles with each, with jitter. @default 500 */
  backoff?: number
  /** Longest wait between attempts. @default 10000 */
  maxBackoff?: number
}

/** Options of the whole cache. Times are milliseconds. */
export interface Options {
  /** Prefix of every Redis key, queue and ledger row. Letters, digits, `-`, `_`, `.`. @default 'write-behind' */
  namespace?: string
  /** Most batches that one process persists at a time. Keep it below the size of Prisma's connection pool. @default 4 */
  concurrency?: number
  /** How often a worker looks for overdue shards that have no job. @default 2000 */
  sweepInterval?: number
  /**
   * After this long without an answer of Redis a write fails with OutcomeUnknownError, or with UnavailableError if it was never sent, and a read
   * with the latter. It is about silence: it begins when the last byte of the call has left, or could have at 256 KB/s, and does not pass while
   * an answer comes in. @default 10000
   */
  writeTimeout?: number
  /**
   * A statement without an answer for this long counts as an outage, and is tried again; the ledger sees to it that it counts once.
   * It frees the flush, not the connection: give Prisma's pool a timeout too (`query_timeout` of pg). @default 30000
   */
  statementTimeout?: number
  /**
   * What becomes of writes while Redis may evict them, as its `maxmemory-policy` says: `stop` refuses them with UnsafeRedisError, before they are
   * sent · `warn` lets them be lost, and says so, once. Flushes go on. @default 'stop'
   */
  onUnsafeRedis?: 'stop' | 'warn'
}

export type ResolvedPolicy = Required<Policy>
export type ResolvedOptions = Required<Options>

const POLICY_DEFAULTS: ResolvedPolicy = {
  strategy: 'write-behind',
  queries: 'stale',
  debounce: 1000,
  maxWait: 5000,
  shards: 8,
  batchSize: 1000,
  jobs: 'shard',
  maxDirty: 1_000_000,
  maxRecordSize: 4 * 2 ** 20,
  viewTtl: 60_000,
  missingTtl: 5000,
  attempts: 20,
  backoff: 500,
  maxBackoff: 10_000,
}

export const OPTION_DEFAULTS: ResolvedOptions = {
  namespace: 'write-behind',
  concurrency: 4,
  sweepInterval: 2000,
  writeTimeout: 10_000,
  statementTimeout: 30_000,
  onUnsafeRedis: 'stop',
}

const CHOICES = {
  strategy: ['write-behind', 'write-through', 'write-around'],
  queries: ['stale', 'flush'],
  jobs: ['shard', 'record'],
} as const satisfies { [N in keyof Policy]?: readonly ResolvedPolicy[N][] }

const UNSAFE_CHOICES: readonly string[] = ['stop', 'warn'] satisfies Options['onUnsafeRedis'][]

const SMALLEST: Partial<Record<keyof Policy | keyof Options, number>> = { debounce: 0 }
/** Of anything: a time of Redis' clock has 13 digits, that much later too. */
const LARGEST = 1e12
/** What Node's timers are set to: longer ones fire at once. */
const LONGEST_TIMER = 1e9
/** Bytes. */
const LARGEST_RECORD = 64 * 2 ** 20
const TIMERS: readonly string[] = ['sweepInterval', 'writeTimeout', 'statementTimeout'] satisfies (keyof Options)[]

/** @throws ConfigurationError naming the option, what was expected and what came. */
export function resolveOptions(options: Options): ResolvedOptions {
  const resolved = withDefaults('options', OPTION_DEFAULTS, options)
  if (!/^[\w.-]+$/.test(resolved.namespace)) throw wrong('options.namespace', 'letters, digits, "-", "_" and "."', resolved.namespace)
  if (!UNSAFE_CHOICES.includes(resolved.onUnsafeRedis)) throw wrong('options.onUnsafeRedis', '"stop" or "warn"', resolved.onUnsafeRedis)
  return resolved
}

/** @throws ConfigurationError naming the model and the option, what was expected and what came. */
export function resolvePolicy(models: Readonly<Record<string, unknown>>, name: string, policy: Policy): ResolvedPolicy {
  if (!Object.hasOwn(models, name)) throw wrong('policies', `one of ${Object.keys(models).join(', ')}`, name)
  const resolved = withDefaults(`policies.${name}`, POLICY_DEFAULTS, policy)
  for (const [option, choices] of Object.entries(CHOICES) as [keyof typeof CHOICES, readonly string[]][]) {
    if (!choices.includes(resolved[option]))
      throw wrong(`policies.${name}.${option}`, choices.map((choice) => `"${choice}"`).join(' or '), resolved[option])
  }
  if (resolved.maxWait < resolved.debounce)
    throw wrong(`policies.${name}.maxWait`, `at least debounce (${resolved.debounce})`, resolved.maxWait)
  return resolved
}

function withDefaults<T extends object>(where: string, defaults: T, given: Partial<T>): T {
  const resolved = { ...defaults }
  for (const [name, value] of Object.entries(given) as [keyof T & string, T[keyof T & string] | undefined][]) {
    if (!Object.hasOwn(defaults, name)) throw wrong(where, `the options ${Object.keys(defaults).join(', ')}`, name)
    if (value === undefined) continue
    if (typeof value !== typeof defaults[name]) throw wrong(`${where}.${name}`, `a ${typeof defaults[name]}`, value)
    const smallest = SMALLEST[name as keyof Policy] ?? 1
    const largest = name === 'maxRecordSize' ? LARGEST_RECORD : TIMERS.includes(name) ? LONGEST_TIMER : LARGEST
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= smallest && value <= largest))
      throw wrong(`${where}.${name}`, `a whole number from ${smallest} to ${largest}`, value)
    resolved[name] = value
  }
  return resolved
}

function wrong(where: string, expected: string, got: unknown): ConfigurationError {
  return new ConfigurationError(`${where}: expected ${expected}, got ${typeof got === 'string' ? JSON.stringify(got) : String(got)}`)
}
