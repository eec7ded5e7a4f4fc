/** The arguments and the named outcomes of the store. */

/** The limits of a policy that a write needs. Times are ms. */
export interface WriteLimits {
  readonly debounce: number
  readonly maxWait: number
  /** The highest number of dirty records in one shard. */
  readonly maxDirty: number
  /** The highest number of bytes of one write. The pending change of a record may have twice as many. */
  readonly maxBytes: number
  /** Whether the reply names the records that were clean. */
  readonly nameClean: boolean
}

export interface WriteReply {
  /** The shard had no due record, so an alarm must be set. */
  readonly shardWasClean: boolean
  /** The positions, in the call, of the records that were clean. Empty without `nameClean`. */
  readonly clean: readonly number[]
  readonly refused: ReadonlyMap<number, Refusal>
  /** The answers to conditional operations, by position. */
  readonly rows: ReadonlyMap<number, readonly string[]>
}

/** Why an operation was not done. The last three mean that its condition is not fulfilled, or that no cached row tells whether it is. */
export type Refusal = 'backlog' | 'overflow' | 'size' | 'unreadable' | 'there' | 'missing' | 'unknown'

/**
 * The records of a batch, packed as in Redis. Unpacked they would be thousands of texts, and the garbage collector would copy these texts while the
 * batch waits.
 */
export interface PackedRecords {
  readonly keys: Buffer
  readonly changes: Buffer
}

export interface Batch {
  readonly id: string
  readonly previous: string | null
  /** Writes that were accepted since the claim before this one. */
  readonly writes: number
  /** The traceparents of the first of these writes, each followed by a space. */
  readonly traces: string
  /** Number of records. */
  readonly size: number
  /** The packed records, which unpack.ts reads. */
  readonly packed: PackedRecords
  /** How often it was claimed under this id, including this claim. The count begins anew when the batch is forgiven. */
  readonly tries: number
  /** Why each record is refused, in the order of the records, if they were set apart from a refused batch. */
  readonly reasons: readonly string[] | undefined
}

/** The limits of one batch. A record whose change has more bytes is a batch of its own. */
export interface BatchLimits {
  readonly records: number
  readonly bytes: number
}

/**
 * Which records to claim: the records that are due at a time (ms by Redis' clock), the records that were first written until a time, or named
 * records, even if they are parked.
 */
export type ClaimTarget =
  | { readonly due: number }
  | { readonly before: number }
  | { readonly key: string }
  | { readonly keys: readonly string[] }

export type ClaimReply = { readonly batch: Batch } | NothingClaimed

export interface NothingClaimed {
  readonly batch: undefined
  /** Ms until the next record may be due; `undefined` if none is dirty. */
  readonly wait: number | undefined
  /** How many records were due according to the index, but are due later, because they were written again. */
  readonly putOff: number
  /** Whether there were too many of them to look at all. Then the caller claims again. */
  readonly isMore: boolean
}

export interface AcknowledgeReply {
  /** When the batch was acknowledged, ms by Redis' clock. */
  readonly now: number
  /** Ms until the shard must be flushed again; `undefined` if it is clean. */
  readonly wait: number | undefined
  /** The records that were written since the claim, with the ms until they are due. Empty without `nameDirty`. */
  readonly stillDirty: readonly { readonly key: string; readonly wait: number }[]
  readonly unparked: readonly string[]
}

/** The stored texts of the fields, in the order in which they were asked for; `missing` if there is no such row. */
export type CachedRow = readonly string[] | 'missing'

/** The answer if there is no cached row. The reader may load the row, and cache it as long as Redis keeps the lease. */
export interface Lease {
  readonly lease: string
}

/** Rows of one shard, and the ledger, at one moment in the database. */
export interface Snapshot {
  readonly ledger: string | null
  readonly rows: readonly SnapshotRow[]
}

export interface SnapshotRow {
  readonly key: string
  /** The stored texts of the fields that were asked for, in their order; `undefined` if there is no such row. */
  readonly values: readonly string[] | undefined
}

export interface LoadReply {
  /** `moved`: Redis does not know this ledger, so read again. `adopted`: Redis has forgotten its ledger, and goes on from this one. */
  readonly outcome: 'known' | 'moved' | 'adopted'
  /** The state that the next try has to pass to load.lua. */
  readonly state: string
  /** `undefined` in place of a record that must be read again. */
  readonly rows: readonly (CachedRow | undefined)[]
}

export interface ParkedEntry {
  readonly key: string
  readonly attempts: number
  readonly since: Date
  readonly reason: string
}

/** Reads the stored text of an entry. */
export function toParkedEntry(key: string, entry: string): ParkedEntry {
  const [attempts, since, ...reason] = entry.split(' ')
  return { key, attempts: Number(attempts), since: new Date(Number(since)), reason: reason.join(' ') }
}

/** Changes as flat lists of their fields. A list is empty if there is no such change. */
export interface PendingReply {
  readonly claimed: readonly string[]
  readonly pending: readonly string[]
  readonly parked: ParkedEntry | undefined
  /** Whether there is a change that cannot be read. */
  readonly isUnreadable: boolean
}

export interface ShardStatus {
  readonly dirty: number
  readonly parked: number
  readonly inFlight: boolean
  /** When the first record that is not parked is due, ms by Redis' clock. */
  readonly firstDue: number | undefined
  readonly writes: number
  readonly rows: number
  readonly batches: number
}
