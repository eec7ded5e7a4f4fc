import type { Redis } from 'ioredis'
import type { Operation } from '../change/operation.js'
import { type CachedRowReply, pairs, toBatch, toCachedRow, toWriteReply, type WrittenReply } from './outcomes.js'
import { packWrite } from './pack.js'
import type {
  AcknowledgeReply,
  BatchLimits,
  CachedRow,
  ClaimReply,
  ClaimTarget,
  Lease,
  LoadReply,
  ParkedEntry,
  PendingReply,
  ShardStatus,
  Snapshot,
  WriteLimits,
  WriteReply,
} from './replies.js'
import { toParkedEntry } from './replies.js'
import { type Commands, defineScripts } from './scripts.js'
import { type Times, Topology } from './topology.js'

/** Ms. */
const FORGET_AFTER = 60_000

/**
 * Calls the scripts. Each script has a method of the same name. `prefix` is the prefix of the shard's keys. Every method rejects with ioredis' own
 * errors.
 */
export class Store {
  readonly #redis: Redis & Commands
  readonly #topology: Topology

  /** @param redis a connection that nobody else uses, because the scripts are defined on it */
  constructor(redis: Redis) {
    this.#redis = defineScripts(redis)
    this.#topology = new Topology(redis)
  }

  /**
   * @param writes the number of calls of the application for which the operations stand
   * @param traces the traceparents of their spans, each followed by a space
   */
  async write(
    prefix: string,
    writer: string,
    sequence: number,
    writes: number,
    limits: WriteLimits,
    operations: readonly Operation[],
    traces = '',
  ): Promise<WriteReply> {
    const packed = packWrite(writer, sequence, writes, limits, operations, traces)
    return toWriteReply((await this.#redis.writeBehind_write(prefix, packed)) as WrittenReply)
  }

  /**
   * @param newId the beginning of the id of a new batch; Redis adds the time
   * @param debounce the policy's, in ms. With `before`, the script need not look at records that are due more than a debounce later
   */
  async claim(prefix: string, newId: string, { records, bytes }: BatchLimits, target: ClaimTarget, debounce = 0): Promise<ClaimReply> {
    const [what, time] = 'due' in target ? ['due', target.due] : 'before' in target ? ['before', target.before] : ['keys', 0]
    const keys = 'key' in target ? [target.key] : 'keys' in target ? new Set(target.keys) : []
    const reply = await this.#redis.writeBehind_claimBuffer(
      prefix,
      newId,
      records,
      bytes,
      what as string,
      time as number,
      debounce,
      ...keys,
    )
    if (reply[0] === null) return { batch: undefined, wait: reply[1] ?? undefined, putOff: reply[2], isMore: reply[3] === 1 }
    return { batch: toBatch(reply) }
  }

  /** Resolves to `undefined` if the batch is not in flight any more. */
  async acknowledge(
    prefix: string,
    id: string,
    ledger: string,
    nextId: string,
    ttl: { view: number; missing: number },
    rows: number,
    nameDirty: boolean,
  ): Promise<AcknowledgeReply | undefined> {
    const reply = await this.#redis.writeBehind_acknowledge(prefix, id, ledger, nextId, ttl.view, ttl.missing, rows, nameDirty ? 1 : 0)
    if (reply === null) return undefined
    const [now, wait, stillDirty, unparked] = reply as [number, number | null, (string | number)[], string[]]
    return {
      now,
      wait: wait ?? undefined,
      stillDirty: pairs(stillDirty).map(([key, each]) => ({ key: key as string, wait: each as number })),
      unparked,
    }
  }

  /**
   * @param apart the positions in the batch, from 0, of the records that wait for their turn. By default, the second half
   * @param reasons why these are refused, in the order of `apart`. The claim of their group returns it
   */
  async split(prefix: string, id: string, newId: string, apart: readonly number[] = [], reasons: readonly string[] = []): Promise<void> {
    await this.#redis.writeBehind_split(prefix, id, newId, apart.length, ...apart, ...reasons)
  }

  /**
   * Parks all records of the batch.
   * @param reasons one for all records, or one for each in the order of the batch
   * @returns `undefined` if the batch is not in flight any more
   */
  async park(
    prefix: string,
    id: string,
    reasons: readonly string[],
    nextId: string,
  ): Promise<{ key: string; attempts: number }[] | undefined> {
    const reply = (await this.#redis.writeBehind_park(prefix, id, nextId, ...reasons)) as (string | number)[] | null
    if (reply === null) return undefined
    return pairs(reply).map(([key, attempts]) => ({ key: key as string, attempts: attempts as number }))
  }

  /** Sets the count of claims of the batch back to 0, if the batch is in flight. */
  async forgive(prefix: string, id: string): Promise<void> {
    await this.#redis.writeBehind_forgive(prefix, id)
  }

  /** @param newLease a new id. It names the leases of the rows that are not cached */
  async read(
    prefix: string,
    newLease: string,
    leaseTtl: number,
    fields: readonly string[],
    keys: readonly string[],
  ): Promise<(CachedRow | Lease)[]> {
    const reply = (await this.#redis.writeBehind_read(prefix, newLease, leaseTtl, fields.length, ...fields, ...keys)) as (
      | [string, ...string[]]
      | string
    )[]
    return reply.map((each) => (typeof each === 'string' ? { lease: each } : (toCachedRow(each) as CachedRow)))
  }

  /**
   * @param leases the leases of the rows, in their order. They must be older than the snapshot
   * @param lastState the state that the last try replied; '' for the first try
   */
  async load(
    prefix: string,
    ttl: { view: number; missing: number },
    fields: readonly { name: string; start: string }[],
    snapshot: Snapshot,
    leases: readonly string[],
    lastState: string,
  ): Promise<LoadReply> {
    const args: (string | number)[] = [snapshot.ledger ?? '', lastState, ttl.view, ttl.missing, fields.length]
    for (const { name, start } of fields) args.push(name, start)
    snapshot.rows.forEach(({ key, values }, n) => {
      args.push(key, leases[n] as string, ...(values === undefined ? ['0'] : ['1', ...values]))
    })
    const [outcome, state, rows] = (await this.#redis.writeBehind_load(prefix, ...args)) as [LoadReply['outcome'], string, CachedRowReply[]]
    return { outcome, state, rows: rows.map(toCachedRow) }
  }

  /** Resolves to the changes of a record that are not in the database yet. */
  async pending(prefix: string, key: string): Promise<PendingReply> {
    type Reply = [claimed: string[], pending: string[], parked: string | null, isUnreadable: 0 | 1]
    const [claimed, pending, parked, isUnreadable] = (await this.#redis.writeBehind_pending(prefix, key)) as Reply
    return { claimed, pending, parked: parked === null ? undefined : toParkedEntry(key, parked), isUnreadable: isUnreadable === 1 }
  }

  /**
   * Drops cached rows. No row is cached again before the release, or before the TTL (ms) has passed.
   * @param keys records of the shard. By default, all
   * @returns the records among them that are dirty
   */
  async hold(prefix: string, id: string, ttl: number, keys: readonly string[] = []): Promise<string[]> {
    return (await this.#redis.writeBehind_hold(prefix, 'hold', id, ttl, ...keys)) as string[]
  }

  /** Ends a hold. Drops the cached rows once more, because the hold may have expired. */
  async release(prefix: string, id: string, keys: readonly string[] = []): Promise<void> {
    await this.#redis.writeBehind_hold(prefix, 'release', id, 0, ...keys)
  }

  /** Drops cached rows. Loads in flight cannot cache their rows after that. */
  async invalidate(prefix: string, keys: readonly string[]): Promise<void> {
    await this.#redis.writeBehind_hold(prefix, 'invalidate', '', 0, ...keys)
  }

  /** Resolves to the batch in flight, and how often it was claimed. */
  async inFlight(prefix: string): Promise<{ id: string; tries: number } | undefined> {
    const [id, tries] = await this.#redis.hmget(`${prefix}batch`, 'id', 'tries')
    return id == null ? undefined : { id, tries: Number(tries) }
  }

  /**
   * Puts changes that are missing in the dirty index into it. Looks at a part of the packed changes, or of the changes of parked records.
   * @param cursor where to go on; '0' at first
   * @returns where to go on; '0' at the end
   */
  async reindex(prefix: string, what: 'packed' | 'parked', cursor: string, count: number): Promise<string> {
    return ((await this.#redis.writeBehind_reindex(prefix, what, cursor, count)) as [string, number])[0]
  }

  async isInFlight(prefix: string, id: string): Promise<boolean> {
    return (await this.inFlight(prefix))?.id === id
  }

  /** Resolves to the time at which a dirty record is due, ms by Redis' clock; Infinity if it is parked, `undefined` if it is clean. */
  async due(prefix: string, key: string): Promise<number | undefined> {
    const due = (await this.#redis.writeBehind_due(prefix, key)) as string | null
    return due === null ? undefined : due === 'inf' ? Number.POSITIVE_INFINITY : Number(due)
  }

  /** Resolves to the record whose pending change is due first. */
  async firstDirty(prefix: string): Promise<string | undefined> {
    return (await this.#redis.zrange(`${prefix}dirty`, '0', '0'))[0]
  }

  /** Whether other records wait for the end of the batch in flight, which has these records. */
  async doOthersWait(prefix: string, keys: readonly string[]): Promise<boolean> {
    const dirty = await this.#redis.zrangebyscore(`${prefix}dirty`, '-inf', '(inf', 'LIMIT', 0, keys.length + 1)
    // An empty list has one byte.
    return dirty.some((key) => !keys.includes(key)) || (await this.#redis.hstrlen(`${prefix}batch`, 'rest')) > 1
  }

  async isParked(prefix: string, key: string): Promise<boolean> {
    return (await this.#redis.hexists(`${prefix}parked`, key)) === 1
  }

  async parkedEntry(prefix: string, key: string): Promise<ParkedEntry | undefined> {
    const entry = await this.#redis.hget(`${prefix}parked`, key)
    return entry === null ? undefined : toParkedEntry(key, entry)
  }

  /** Resolves to about this many parked records, and the cursor to go on from, which is `undefined` at the end. */
  async parkedPage(prefix: string, cursor: string, size: number): Promise<{ entries: ParkedEntry[]; cursor: string | undefined }> {
    const [next, flat] = await this.#redis.hscan(`${prefix}parked`, cursor, 'COUNT', size)
    return { entries: pairs(flat).map(([key, entry]) => toParkedEntry(key, entry)), cursor: next === '0' ? undefined : next }
  }

  async parked(prefix: string): Promise<ParkedEntry[]> {
    return Object.entries(await this.#redis.hgetall(`${prefix}parked`)).map(([key, entry]) => toParkedEntry(key, entry))
  }

  async status(prefix: string): Promise<ShardStatus> {
    const reply = (await this.#redis.writeBehind_status(prefix)) as [number, number, 0 | 1, ...(string | null)[]]
    const [dirty, parked, inFlight, firstDue, ...stats] = reply
    const [writes = 0, rows = 0, batches = 0] = stats.map(Number)
    return { dirty, parked, inFlight: inFlight === 1, firstDue: firstDue == null ? undefined : Number(firstDue), writes, rows, batches }
  }

  /** Agrees with all processes on the value of a field. The first value counts, unless it is to be replaced. */
  async share(key: string, field: string, value: string, replaces = false): Promise<string> {
    return (await this.#redis.writeBehind_share(key, field, value, replaces ? 1 : 0)) as string
  }

  /** Resolves to the time in ms by the clock that decides when the records of the shard are due. */
  now(prefix: string): Promise<number> {
    return this.#topology.now(prefix)
  }

  /** Resolves to the same for all shards, asked once. */
  times(): Promise<Times> {
    return this.#topology.times()
  }

  /** Lets the number expire after a while, because a copy of a call may still be on its way over a connection that broke. */
  async forgetWriter(prefix: string, writer: string): Promise<void> {
    await this.#redis.pexpire(`${prefix}writer/${writer}`, FORGET_AFTER)
  }
}
