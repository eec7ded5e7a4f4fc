/**
 * Spans around the two halves of a write: the call that stores it in Redis, and the flush that brings it to the database. The flush may come seconds later
 * and in another process, so its span is not a child of the span of the write, but has a link to it. A link needs a W3C traceparent. Traceparents are stored
 * in Redis beside the pending changes of the shard, move into the batch at the claim, and stay with it through retries and splits. If no span is recorded,
 * none is stored.
 */

/**
 * Highest number of traceparents of one call. A batch may carry millions of writes, so Redis keeps only the first ones of each shard: it takes those
 * of a call while it has fewer than this number (write.lua).
 */
export const MAX_TRACES = 32

/** The span in which a write was issued. */
export interface Origin {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

export interface WriteCall {
  readonly model: string
  readonly shard: number
  /** Number of operations in the call, after writes to one record were folded. */
  readonly operations: number
  readonly writes: number
  /** Spans of the writes. A span may occur more than once. */
  readonly origins: readonly Origin[]
}

export interface WriteSpan {
  /** Traceparents that the flush will link to, each followed by a space. */
  readonly traces: string
  end(failure?: Error): void
}

export interface FlushedBatch {
  readonly model: string
  readonly shard: number
  readonly batch: string
  readonly records: number
  readonly writes: number
  /** Traceparents, as in WriteSpan. */
  readonly traces: string
}

export interface Telemetry {
  /** The active span, if it is recorded. */
  origin(): Origin | undefined
  /** @returns `undefined` when nobody records the span */
  write(call: WriteCall): WriteSpan | undefined
  /** Runs the flush of a batch as the active span. */
  flush(batch: FlushedBatch, run: () => Promise<{ rows: number; parked: number }>): Promise<void>
}
