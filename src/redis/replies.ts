/** What the store takes, and what it answers: named outcomes instead of Redis' lists and numbers. */

/** What the store needs of a policy to place a write. Times in ms. */
export interface WriteLimits {
  readonly debounce: number
  readonly maxWait: number
  /** Most dirty records of one shard. */
  readonly maxDirty: number
  /** Most bytes of one write; twice as many may wait for a flush of one record. */
  readonly maxBytes: number
  /** Whether the reply names the records that were clean. */
  readonly nameClean: boolean
}

export interface WriteReply {
  /** The shard had nothing due: somebody has to set an alarm. */
  readonly shardWasClean: boolean
  /** Positions, in the call, of records that were clean; only with `nameClean`. */
  readonly clean: readonly number[]
  readonly refused: ReadonlyMap<number, Refusal>
  /** By position, what a conditional operation is answered with. */
  readonly rows: ReadonlyMap<number, readonly string[]>
}

/** Why an operation was not done. The last three: its condition does not hold, or the view does not know. */
export type Refusal = 'backlog' | 'overflow' | 'size' | 'unreadable' | 'there' | 'missing' | 'unknown'

/** As Redis holds them: unpacked they are thousands of texts, which the garbage collector would copy while the batch waits for its turn. */
export interface PackedRecords {
  readonly keys: Buffer
  readonly changes: Buffer
}

export interface Batch {
  readonly id: string
  readonly previous: string | null
  /** Writes accepted since the claim before this one. */
  readonly writes: number
  /** Traceparents of those writes, the first ones, each ended by a space. */
  readonly traces: string
  /** Records in it. */
  readonly size: number
  /** See unpack.ts. */
  readonly packed: PackedRecords
  /** How often it was claimed under this id, this time included, or since it was forgiven. */
  readonly tries: number
  /** What is known of its records, in their order, if they were set apart from a refused batch for it. */
  readonly reasons: readonly string[] | undefined
}

/** Of one batch. A record whose change has more bytes is a batch of its own. */
export interface BatchLimits {
  readonly records: number
  readonly bytes: number
}

/** What to claim: what is due at a time (ms by Redis' clock), what was first written until a time, or given records, parked ones too. */
export type ClaimTarget =
  | { readonly due: number }
  | { readonly before: number }
  | { readonly key: string }
  | { readonly keys: readonly string[] }

export type ClaimReply = { readonly batch: Batch } | NothingClaimed

export interface NothingClaimed {
  readonly batch: undefined
  /** Ms until the next record may be due; undefined: none is dirty. */
  readonly wait: number | undefined
  /** Records that seemed due, and are due later since they were written again. */
  readonly putOff: number
  /** There were so many of them that not all have been looked at: claim again. */
  readonly isMore: boolean
}

export interface AcknowledgeReply {
  /** Time of the acknowledgement, ms by Redis' clock. */
  readonly now: number
  /** Ms until the shard has to be flushed next; undefined: it is clean. */
  readonly wait: number | undefined
  /** Records written since they were claimed, with the ms until they are due; only with `nameDirty`. */
  readonly stillDirty: readonly { readonly key: string; readonly wait: number }[]
  readonly unparked: readonly string[]
}

/** Stored texts by field, in the order they were asked for; `missing`: there is no such row. */
export type CachedRow = readonly string[] | 'missing'

/** There is no view; who loads the row may store one, as long as Redis keeps the lease. */
export interface Lease {
  readonly lease: string
}

/** Rows of one shard as the database holds them, and the ledger of the same moment. */
export interface Snapshot {
  readonly ledger: string | null
  readonly rows: readonly SnapshotRow[]
}

export interface SnapshotRow {
  readonly key: string
  /** Stored texts of the fields asked for, in their order; `undefined`: no such row. */
  readonly values: readonly string[] | undefined
}

export interface LoadReply {
  /** `moved`: the ledger is none that Redis knows of; `adopted`: and Redis, which has forgotten it, goes on from it. */
  readonly outcome: 'known' | 'moved' | 'adopted'
  /** For the next try. */
  readonly state: string
  /** `undefined` in place of a record that has to be read again. */
  readonly rows: readonly (CachedRow | undefined)[]
}

export interface ParkedEntry {
  readonly key: string
  readonly attempts: number
  readonly since: Date
  readonly reason: string
}

/** From the text that the store holds. */
export function toParkedEntry(key: string, entry: string): ParkedEntry {
  const [attempts, since, ...reason] = entry.split(' ')
  return { key, attempts: Number(attempts), since: new Date(Number(since)), reason: reason.join(' ') }
}

/** Changes as flat lists of their fields, empty where there is none. */
export interface PendingReply {
  readonly claimed: readonly string[]
  readonly pending: readonly string[]
  readonly parked: ParkedEntry | undefined
  /** There is a change that cannot be read. */
  readonly isUnreadable: boolean
}

export interface ShardStatus {
  readonly dirty: number
  readonly parked: number
  readonly inFlight: boolean
  /** Earliest due time (ms) of what is not parked. */
  readonly firstDue: number | undefined
  readonly writes: number
  readonly rows: number
  readonly batches: number
}
