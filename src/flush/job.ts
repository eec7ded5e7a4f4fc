import type { Job } from 'bullmq'
import { isObject, shardOf } from '../model/key.js'

/** A job is an alarm: it says where to look, and holds no values. `key` is the record's, for jobs of one record. */
export type FlushJobData =
  | { readonly kind: 'shard'; readonly model: string; readonly shard: number }
  | { readonly kind: 'record' | 'parked'; readonly model: string; readonly shard: number; readonly key: string }

export type FlushJob = Job<FlushJobData, Record<string, unknown>>

/** Jobs without a priority come first. */
export const PARKED_PRIORITY = 10
export const BACKOFF = 'custom'
/** A job ends after so many batches and leaves the rest to the next one, so that the board shows progress, and parked records get their jobs. */
export const MAX_BATCHES_IN_A_JOB = 20

/** What a job of the model says, exactly as we say it; `undefined`: it is not one of ours. Anybody who reaches Redis can add jobs, and change them. */
export function readJobData(data: unknown, model: string, shards: number): FlushJobData | undefined {
  if (!isObject(data) || data.model !== model) return undefined
  const { kind, shard, key } = data
  const fields = Object.keys(data).length
  if (typeof shard !== 'number' || !Number.isInteger(shard) || shard < 0 || shard >= shards) return undefined
  if (kind === 'shard') return fields === 3 ? { kind, model, shard } : undefined
  if ((kind !== 'record' && kind !== 'parked') || fields !== 4) return undefined
  return typeof key === 'string' && shardOf(key, shards) === shard ? { kind, model, shard, key } : undefined
}

/** Whether a job that says this has our options, by which it cannot hold anything up: not, where it waits by another rule, or for others. */
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
