/** Turns the lists and numbers that the scripts return into the named outcomes of replies.ts. */
import type { Batch, CachedRow, Refusal, WriteReply } from './replies.js'
import type { ClaimedReply } from './scripts.js'
import { countRecords, unpackTexts } from './unpack.js'

/** The most frequent reply. */
const ALL_WELL: WriteReply = { shardWasClean: false, clean: [], refused: new Map(), rows: new Map() }
const ALL_WELL_FROM_CLEAN: WriteReply = { ...ALL_WELL, shardWasClean: true }

/** The reply of write.lua. */
export type WrittenReply = number | [number, number[], (number | string)[], (number | string[])[]]

export function toWriteReply(reply: WrittenReply): WriteReply {
  if (typeof reply === 'number') return reply === 1 ? ALL_WELL_FROM_CLEAN : ALL_WELL
  const [wasClean, clean, refused, rows] = reply
  return {
    shardWasClean: wasClean === 1,
    clean: clean.map((position) => position - 1),
    refused: new Map(pairs(refused).map(([position, refusal]) => [Number(position) - 1, refusal as Refusal])),
    rows: new Map(pairs(rows).map(([position, row]) => [Number(position) - 1, row as string[]])),
  }
}

export function toBatch([id, previous, writes, keys, changes, traces, tries, reasons]: ClaimedReply): Batch {
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

export type CachedRowReply = [string, ...string[]] | null

export function toCachedRow(reply: CachedRowReply): CachedRow | undefined {
  if (reply === null) return undefined
  return reply[0] === '0' ? 'missing' : reply.slice(1)
}

export function pairs<T>(flat: readonly T[]): [T, T][] {
  const result: [T, T][] = []
  for (let i = 0; i < flat.length; i += 2) result.push([flat[i] as T, flat[i + 1] as T])
  return result
}
