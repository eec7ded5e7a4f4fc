/** What a flush job says, and how it is named and recognised. */
import type { Job } from 'bullmq'
import { isObject, shardOf } from '../model/key.js'

/** A job says which shard or record to look at, and holds no values of it. */
export type FlushJobData =
  | { readonly kind: 'shard'; readonly model: string; readonly shard: number }
  | { readonly kind: 'record' | 'parked'; readonly model: string; readonly shard: number; readonly key: string }

export type FlushJob = Job<FlushJobData, Record<string, unknown>>

/** The priority of jobs that retry parked records. BullMQ runs jobs without a priority first. */
export const PARKED_PRIORITY = 10
/** The name under which BullMQ asks the worker for the delay before the next attempt. */
export const BACKOFF = 'custom'
/**
 * The highest number of batches in one job. It leaves the others to the next job, so that Bull Board shows progress and parked records get their
 * jobs.
 */
export const MAX_BATCHES_IN_A_JOB = 20

/**
 * Returns the data of a job if it is exactly what this library would have written for the model; otherwise `undefined`. It is checked, because
 * anybody who reaches Redis can add and change jobs.
 */
export function readJobData(data: unknown, model: string, shards: number): FlushJobData | undefined {
  if (!isObject(data) || data.model !== model) return undefined
  const { kind, shard, key } = data
  const fields = Object.keys(data).length
  if (typeof shard !== 'number' || !Number.isInteger(shard) || shard < 0 || shard >= shards) return undefined
  if (kind === 'shard') return fields === 3 ? { kind, model, shard } : undefined
  if ((kind !== 'record' && kind !== 'parked') || fields !== 4) return undefined
  return typeof key === 'string' && shardOf(key, shards) === shard ? { kind, model, shard, key } : undefined
}

/**
 * Whether a job with this data has the options that this library gives it. A job with other options might wait in another way or for other jobs, and
 * so delay its shard.
 */
export function isAsMade(data: FlushJobData, { opts, parentKey, repeatJobKey }: FlushJob): boolean {
  const { deduplication, backoff, priority = 0 } = opts
  const isFirst = priority === 0 || (data.kind === 'parked' && priority === PARKED_PRIORITY)
  const isOurs = deduplication?.id === deduplicationId(data) && typeof backoff === 'object' && backoff.type === BACKOFF
  return isOurs && isFirst && parentKey === undefined && repeatJobKey === undefined
}

export function deduplicationId(data: FlushJobData): string {
  return data.kind === 'shard' ? `shard/${data.shard}` : `${data.kind}/${data.shard}/${data.key}`
}

export function jobName(data: FlushJobData): string {
  switch (data.kind) {
    case 'shard':
      return `flush ${data.model} shard ${data.shard}`
    case 'record':
      return `flush ${data.model} ${data.key}`
    case 'parked':
      return `retry parked ${data.model} ${data.key}`
  }
}
