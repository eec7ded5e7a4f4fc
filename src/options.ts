import { ConfigurationError } from './errors.js'

/** How one model is written and read. Times are milliseconds. */
export interface Policy {
  /**
   * Where a write goes before it is acknowledged (docs/strategies.md says which strategy is for which data):
   * - `write-behind`: to Redis, from where it is flushed to the database
   * - `write-through`: to the database; the cached row is loaded afterwards
   * - `write-around`: to the database; the cached row is dropped
   * @default 'write-behind'
   */
  strategy?: 'write-behind' | 'write-through' | 'write-around'
  /**
   * What the Prisma extension does for a query that is not about one record (`findMany`, `count`, …), because some writes may not be in the database yet:
   * - `stale`: reads the database as it is
   * - `flush`: flushes the model first
   * @default 'stale'
   */
  queries?: 'stale' | 'flush'
  /**
   * Ms: a record is due to be flushed when nobody has written it for this long. If it is written again and again, it may be due up to an eighth of a
   * debounce later, at most 100 ms. If its shard has just been flushed, the flush waits for up to another debounce, at most 250 ms. @default 1000
   */
  debounce?: number
  /** Ms: a record is due at the latest this long after its first unflushed write. @default 5000 */
  maxWait?: number
  /**
   * Number of shards of the model. The records of one shard are flushed in order, and different shards are flushed at the same time. Change it only while
   * the model has no dirty records. @default 8
   */
  shards?: number
  /**
   * Highest number of records in a batch, which is one SQL statement. A batch has fewer if its changes would take more than 4 MiB, or if earlier
   * statements took longer than half a second. @default 1000
   */
  batchSize?: number
  /** Whether a dirty shard gets one job, or each dirty record one of its own, so that Bull Board shows every key. @default 'shard' */
  jobs?: 'shard' | 'record'
  /**
   * Highest number of records of the model with a pending change. Records of a batch in flight do not count. Each shard takes its share, `maxDirty /
   * shards`. A full shard refuses writes to records that have no pending change, with BacklogFullError. @default 1000000
   */
  maxDirty?: number
  /**
   * Highest number of bytes of one write: the key of the record, and the values as Redis stores them. At most 64 MiB. All writes of one record that
   * wait for a flush may have twice as many together. A larger write is refused with InvalidInputError; the Prisma extension sends it to the database
   * instead. A worker needs about 16 bytes of heap for each byte. @default 4194304
   */
  maxRecordSize?: number
  /** Ms that the cached row of a clean record stays in Redis. @default 60000 */
  viewTtl?: number
  /** Ms that Redis remembers that a row does not exist. @default 5000 */
  missingTtl?: number
  /**
   * How many times a failing flush job is tried before BullMQ lists it as failed. After that the sweeper makes a new job. For a parked record it does
   * so after 5 minutes.
   * @default 20
   */
  attempts?: number
  /** Ms between the first two attempts. Doubles with each attempt, with jitter. @default 500 */
  backoff?: number
  /** Highest number of ms between two attempts. @default 10000 */
  maxBackoff?: number
}

/** Options of the whole cache. Times are milliseconds. */
export interface Options {
  /** Prefix of every Redis key, queue and ledger row. May contain letters, digits, `-`, `_` and `.`. @default 'write-behind' */
  namespace?: string
  /** Highest number of batches that one process persists at the same time. Keep it below the size of Prisma's connection pool. @default 4 */
  concurrency?: number
  /** Ms between two sweeps of a worker. A sweep looks for overdue shards that have no job. @default 2000 */
  sweepInterval?: number
  /**
   * Ms: a call fails if Redis does not answer it for this long. A read fails with UnavailableError. A write fails with OutcomeUnknownError, or with
   * UnavailableError if it was never sent. Only silence counts: the time begins when the last byte of the call was sent, or could have been sent at
   * 256 KB/s, and stands still while an answer comes in. @default 10000
   */
  writeTimeout?: number
  /**
   * Ms: a statement without an answer for this long counts as an outage. It is tried again, and the ledger ensures that it is applied once. The
   * timeout only ends the wait of the flush, and does not free the connection. So give Prisma's pool a timeout, too (`query_timeout` of pg). @default
   * 30000
   */
  statementTimeout?: number
  /**
   * What happens to writes while the `maxmemory-policy` of Redis allows it to evict them. Flushes go on in both cases.
   * - `stop`: they are refused with UnsafeRedisError before they are sent
   * - `warn`: they are stored, may be lost, and a warning says so once
   * @default 'stop'
   */
  onUnsafeRedis?: 'stop' | 'warn'
  /**
   * What this process does.
   * - `all`: it can read, write, flush and run workers
   * - `writer`: it can do the same, but run no workers. It has 2 connections to Redis instead of 6. Use it for serverless functions, and for other
   *   processes of which there are many
   * @default 'all'
   */
  role?: 'all' | 'writer'
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
  role: 'all',
}

const POLICY_CHOICES: Choices<ResolvedPolicy> = {
  strategy: ['write-behind', 'write-through', 'write-around'],
  queries: ['stale', 'flush'],
  jobs: ['shard', 'record'],
}

const OPTION_CHOICES: Choices<ResolvedOptions> = {
  onUnsafeRedis: ['stop', 'warn'],
  role: ['all', 'writer'],
}

const SMALLEST: Partial<Record<keyof Policy | keyof Options, number>> = { debounce: 0 }
/** The upper limit of every number. A time in ms has 13 digits, and still has 13 when this is added. */
const LARGEST = 1e12
/** The upper limit of times for which a Node timer is set. Node fires a timer at once if its time is too long. */
const LONGEST_TIMER = 1e9
/** Bytes. */
const LARGEST_RECORD = 64 * 2 ** 20
const TIMERS: readonly string[] = ['sweepInterval', 'writeTimeout', 'statementTimeout'] satisfies (keyof Options)[]

/** @throws ConfigurationError that names the option, what it expects, and what it got */
export function resolveOptions(options: Options): ResolvedOptions {
  const resolved = withDefaults('options', OPTION_DEFAULTS, options)
  if (!/^[\w.-]+$/.test(resolved.namespace)) throw wrong('options.namespace', 'letters, digits, "-", "_" and "."', resolved.namespace)
  checkChoices('options', OPTION_CHOICES, resolved)
  return resolved
}

/** @throws ConfigurationError that names the model, the option, what it expects, and what it got */
export function resolvePolicy(models: Readonly<Record<string, unknown>>, name: string, policy: Policy): ResolvedPolicy {
  if (!Object.hasOwn(models, name)) throw wrong('policies', `one of ${Object.keys(models).join(', ')}`, name)
  const resolved = withDefaults(`policies.${name}`, POLICY_DEFAULTS, policy)
  checkChoices(`policies.${name}`, POLICY_CHOICES, resolved)
  if (resolved.maxWait < resolved.debounce)
    throw wrong(`policies.${name}.maxWait`, `at least debounce (${resolved.debounce})`, resolved.maxWait)
  return resolved
}

type Choices<T> = { readonly [N in keyof T]?: readonly (T[N] & string)[] }

function checkChoices<T extends object>(where: string, options: Choices<T>, resolved: T): void {
  for (const [option, choices] of Object.entries(options) as [keyof T & string, readonly unknown[]][]) {
    if (!choices.includes(resolved[option]))
      throw wrong(`${where}.${option}`, choices.map((choice) => `"${choice}"`).join(' or '), resolved[option])
  }
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
