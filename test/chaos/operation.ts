/**
 * What the writers write. A record's key says its family and its number. Every operation of a writer has a higher number than the one before, also
 * after the writer was started again. The row then has this number as its version.
 */
import { createHash } from 'node:crypto'

export const WRITERS = 2
/** Both writers write all counters. Each writer has page views and players of its own, as many as this. */
export const RECORDS = { counter: 1000, pageView: 600, player: 400 } as const

export type Family = keyof typeof RECORDS

/** `add` and `visit` add an amount, and a visit also sets the version. The others are operations on players. */
export type OperationKind = 'add' | 'visit' | 'upsert' | 'update' | 'delete'

export interface Operation {
  readonly id: number
  readonly kind: OperationKind
  /** The key of the row. */
  readonly record: string
  readonly amount: number
}

const CODES: Readonly<Record<OperationKind, string>> = { add: 'A', visit: 'V', upsert: 'U', update: 'M', delete: 'D' }
const KINDS = new Map(Object.entries(CODES).map(([kind, code]) => [code, kind as OperationKind]))

export function toLine({ id, kind, record, amount }: Operation): string {
  return `i ${id} ${CODES[kind]} ${record} ${amount}`
}

/** @param words are those of a line, without the first one */
export function fromWords([id, code = '', record = '', amount]: readonly string[]): Operation {
  return { id: Number(id), kind: KINDS.get(code) as OperationKind, record, amount: Number(amount) }
}

export function counterName(n: number): string {
  return `counter-${n}`
}

export function pagePath(writer: number, n: number): string {
  return `/${writer}/${n}`
}

export function playerId(writer: number, n: number): string {
  const hex = createHash('md5').update(`${writer}/${n}`).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

export function familyOf(record: string): Family {
  if (record.startsWith('/')) return 'pageView'
  return record.startsWith('counter-') ? 'counter' : 'player'
}
