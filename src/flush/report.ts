/** What a flush did, for the job's result and log. */
import type { PersistError } from '../errors.js'

/** The number of parked keys that a summary names. The dashboard lists all of them. */
const MAX_NAMED = 5

/** What one flush did in all its batches together. */
export interface FlushReport {
  batches: number
  records: number
  rows: number
  writes: number
  /** The number of records that later writes had delayed, in claims that found nothing else. */
  putOff: number
  /** Ms that the statements took. */
  statement: number
  /** The longest time from a record's first unflushed write to its acknowledgement, ms. */
  oldest: number
  /** Keys of the records that were parked, and why. */
  parked: Map<string, PersistError>
  /** Keys of the records that had not been parked before, by reason. */
  newlyParked: Map<string, string[]>
  /** Keys of records that were parked before, and are in the database now. */
  unparked: string[]
  /** Records that were written again meanwhile, and the ms until they are due. Only with `jobs: 'record'`. */
  stillDirty: Map<string, number>
  /** Whether nothing of the target is left. */
  complete: boolean
  /** Ms until the shard is due again; `undefined` if nothing is dirty. */
  wait: number | undefined
}

export function emptyReport(): FlushReport {
  return {
    batches: 0,
    records: 0,
    rows: 0,
    writes: 0,
    putOff: 0,
    statement: 0,
    oldest: 0,
    parked: new Map(),
    newlyParked: new Map(),
    unparked: [],
    stillDirty: new Map(),
    complete: false,
    wait: 0,
  }
}

/** The return value of a job, as the board shows it. */
export function summary({ batches, records, rows, writes, statement, oldest, parked }: FlushReport): Record<string, unknown> {
  const counts = { batches, records, rows, writes, statementMs: Math.round(statement), oldestMs: oldest }
  return parked.size === 0 ? counts : { ...counts, parkedTotal: parked.size, parked: Object.fromEntries(named(parked)) }
}

/** The log of a job, as the board shows it. */
export function sentence({ batches, records, rows, writes, putOff, statement, oldest, parked }: FlushReport): string {
  if (batches + parked.size === 0) {
    return putOff > 0
      ? `nothing was due: later writes have put off ${plural(putOff, 'record')}`
      : 'nothing was due: another flush had taken it'
  }
  const flushed = `flushed ${plural(records, 'record')} in ${plural(batches, 'batch', 'batches')}: ${plural(rows, 'row')} written, ${plural(writes, 'write')} combined, ${Math.round(statement)} ms in the database, oldest change waited ${oldest} ms`
  if (parked.size === 0) return flushed
  return `${flushed}; parked ${plural(parked.size, 'record')}: ${named(parked)
    .map(([key, reason]) => `${key} (${reason})`)
    .join(', ')}`
}

function named(parked: ReadonlyMap<string, PersistError>): [string, string][] {
  return [...parked].slice(0, MAX_NAMED).map(([key, { message }]) => [key, message])
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
