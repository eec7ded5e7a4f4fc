import type { Redis } from 'ioredis'
import type { Operation } from '../change/operation.js'
import { packWrite } from './pack.js'
import type {
  AcknowledgeReply,
  Batch,
  BatchLimits,
  CachedRow,
  ClaimReply,
  ClaimTarget,
  Lease,
  LoadReply,
  ParkedEntry,
  PendingReply,
  Refusal,
  ShardStatus,
  Snapshot,
  WriteLimits,
  WriteReply,
} from './replies.js'
import { toParkedEntry } from './replies.js'
import { type ClaimedReply, type Commands, defineScripts } from './scripts.js'
import { countRecords, unpackTexts } from './unpack.js'

/** Ms. */
const FORGET_AFTER = 60_000

/** Nothing refused, nothing named. */
const ALL_WELL: WriteReply = { shardWasClean: false, clean: [], refused: new Map(), rows: new Map() }
const ALL_WELL_FROM_CLEAN: WriteReply = { ...ALL_WELL, shardWasClean: true }

/**
 * The one module that speaks Redis: a method a script, named like it. `prefix` is that of the shard's keys.
 * Every method rejects with ioredis' own errors.
 */
export class Store {
  readonly #redis: Redis & Commands

  /** @param redis a connection of its own: scripts are defined on it. */
  constructor(redis: Redis) {
    this.#redis = defineScripts(redis)
  }

  /** `writes`: calls of the application that the operations stand for; `traces`: traceparents of their spans, each ended by a space. */
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
    const reply = (await this.#redis.writeBehind_write(prefix, packed)) as
      | number
      | [number, number[], (number | string)[], (number | string[])[]]
    if (typeof reply === 'number') return reply === 1 ? ALL_WELL_FROM_CLEAN : ALL_WELL
    const [wasClean, clean, refused, rows] = reply
    return {
      shardWasClean: wasClean === 1,
      clean: clean.map((position) => position - 1),
      refused: new Map(pairs(refused).map(([position, refusal]) => [Number(position) - 1, refusal as Refusal])),
      rows: new Map(pairs(rows).map(([position, row]) => [Number(position) - 1, row as string[]])),
    }
  }

  /**
   * @param newId beginning of the id of a new batch; Redis adds the time
   * @param debounce the policy's, ms; spares `before` a look at records that are due a debounce later
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

  /** `undefined`: the batch is not in flight any more. */
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
   * @param apart positions in the batch, from 0, of the records that are to wait for their turn; left out: the second half
   * @param reasons what is known of these, in the order of `apart`: the claim of their group returns it
   */
  async split(prefix: string, id: string, newId: string, apart: readonly number[] = [], reasons: readonly string[] = []): Promise<void> {
    await this.#redis.writeBehind_split(prefix, id, newId, apart.length, ...apart, ...reasons)
  }

  /**
   * Parks all records of the batch.
   * @param reasons one for all records, or one for each in the order of the batch
   * @returns undefined: the batch is not in flight any more
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

  /** Has the claims of the batch count from nothing again, if it is in flight. */
  async forgive(prefix: string, id: string): Promise<void> {
    await this.#redis.writeBehind_forgive(prefix, id)
  }

  /** @param newLease never used before, for views that are not there */
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
   * @param leases of the snapshot's rows, in their order; given before the snapshot was taken
   * @param lastState of the reply to the last try, '' for the first
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

  /** What of a record is not in the database yet. */
  async pending(prefix: string, key: string): Promise<PendingReply> {
    type Reply = [claimed: string[], pending: string[], parked: string | null, isUnreadable: 0 | 1]
    const [claimed, pending, parked, isUnreadable] = (await this.#redis.writeBehind_pending(prefix, key)) as Reply
    return { claimed, pending, parked: parked === null ? undefined : toParkedEntry(key, parked), isUnreadable: isUnreadable === 1 }
  }

  /**
   * Drops views, and lets none be made until the release, or until the TTL has passed (ms).
   * @param keys of the shard; left out: all
   * @returns those of the keys that are dirty
   */
  async hold(prefix: string, id: string, ttl: number, keys: readonly string[] = []): Promise<string[]> {
    return (await this.#redis.writeBehind_hold(prefix, 'hold', id, ttl, ...keys)) as string[]
  }

  /** Drops the views again: the hold may have expired. */
  async release(prefix: string, id: string, keys: readonly string[] = []): Promise<void> {
    await this.#redis.writeBehind_hold(prefix, 'release', id, 0, ...keys)
  }

  /** Drops views, and keeps loads that are under way from storing theirs. */
  async invalidate(prefix: string, keys: readonly string[]): Promise<void> {
    await this.#redis.writeBehind_hold(prefix, 'invalidate', '', 0, ...keys)
  }

  /** How often the batch in flight was claimed. */
  async inFlight(prefix: string): Promise<{ id: string; tries: number } | undefined> {
    const [id, tries] = await this.#redis.hmget(`${prefix}batch`, 'id', 'tries')
    return id == null ? undefined : { id, tries: Number(tries) }
  }

  /**
   * Puts changes into the index that are not in it, of a part of those that are packed, or of those of parked records.
   * @param cursor where to go on: '0' at first
   * @returns where to go on, '0' at the end
   */
  async reindex(prefix: string, what: 'packed' | 'parked', cursor: string, count: number): Promise<string> {
    return ((await this.#redis.writeBehind_reindex(prefix, what, cursor, count)) as [string, number])[0]
  }

  async isInFlight(prefix: string, id: string): Promise<boolean> {
    return (await this.inFlight(prefix))?.id === id
  }

  /** When a dirty record is due, ms by Redis' clock (Infinity: it is parked); undefined if it is clean. */
  async due(prefix: string, key: string): Promise<number | undefined> {
    const due = (await this.#redis.writeBehind_due(prefix, key)) as string | null
    return due === null ? undefined : due === 'inf' ? Number.POSITIVE_INFINITY : Number(due)
  }

  /** The record with a pending change that is due first. */
  async firstDirty(prefix: string): Promise<string | undefined> {
    return (await this.#redis.zrange(`${prefix}dirty`, '0', '0'))[0]
  }

  /** Whether other records wait until the batch in flight, which is of these, has ended. */
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

  /** About so many that are parked. @returns undefined in place of the cursor: there are no others */
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

  /** What all processes know of a field: the value given, if nobody gave one before, or if that is to be replaced. */
  async share(key: string, field: string, value: string, replaces = false): Promise<string> {
    return (await this.#redis.writeBehind_share(key, field, value, replaces ? 1 : 0)) as string
  }

  /** Milliseconds of Redis' clock. */
  async now(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  }

  /** Not at once: a call that was sent twice may still be on its way over the connection that broke. */
  async forgetWriter(prefix: string, writer: string): Promise<void> {
    await this.#redis.pexpire(`${prefix}writer/${writer}`, FORGET_AFTER)
  }
}

function toBatch([id, previous, writes, keys, changes, traces, tries, reasons]: ClaimedReply): Batch {
  const packed = { keys, changes }
  return {
    id: String(id),
    previous: previous && String(previous),
    writes: Number(writes),
    traces: String(traces ?? ''),
    size: countRecords(packed),
    packed,
    tries,
    reasons: reasons?.length ? unpackTexts(reasons) : undefined,
  }
}

type CachedRowReply = [string, ...string[]] | null

function toCachedRow(reply: CachedRowReply): CachedRow | undefined {
  if (reply === null) return undefined
  return reply[0] === '0' ? 'missing' : reply.slice(1)
}

function pairs<T>(flat: readonly T[]): [T, T][] {
  const result: [T, T][] = []
  for (let i = 0; i < flat.length; i += 2) result.push([flat[i] as T, flat[i + 1] as T])
  return result
}
