/**
 * Spans around the two halves of a write: the call that brings it to Redis, and the flush that brings it to the database. The flush may
 * come seconds later and in another process, so that it cannot be a child of what caused it: it has links. What is needed for a link (a
 * W3C traceparent) travels in Redis beside the shard's pending changes, goes into the batch at the claim, and stays with it through
 * retries and splits. Where no span is recorded, nothing is sent.
 */

/** Most traceparents that a call brings along. Redis keeps the first ones of a shard, about as many: a batch may carry millions of writes. */
export const MAX_TRACES = 32

/** The span that a write was issued in. */
export interface Origin {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

export interface WriteCall {
  readonly model: string
  readonly shard: number
  /** Operations in the call, after those of one record were added up. */
  readonly operations: number
  readonly writes: number
  /** Spans of the writes; one span may be there more than once. */
  readonly origins: readonly Origin[]
}

export interface WriteSpan {
  /** Traceparents for the flush to link to, each ended by a space. */
  readonly traces: string
  end(failure?: Error): void
}

export interface FlushedBatch {
  readonly model: string
  readonly shard: number
  readonly batch: string
  readonly records: number
  readonly writes: number
  /** As WriteSpan has them. */
  readonly traces: string
}

export interface Telemetry {
  /** The active span, if it is recorded. */
  origin(): Origin | undefined
  /** `undefined`: nobody records it. */
  write(call: WriteCall): WriteSpan | undefined
  /** Runs the flush of a batch as the active span. */
  flush(batch: FlushedBatch, run: () => Promise<{ rows: number; parked: number }>): Promise<void>
}
