/**
 * What the writers write. A record is named by its family and its number; the number of an operation grows with every one of a writer,
 * over all its lives, and is the version that the row bears afterwards.
 */
import { createHash } from 'node:crypto'

export const WRITERS = 2
/** Counters belong to both writers; the other records to one each. */
export const RECORDS = { counter: 1000, pageView: 600, player: 400 } as const

export type Family = keyof typeof RECORDS

/** `add` and `visit` add an amount (a visit sets the version too); the others are of players. */
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

/** @param words of a line, without the first one */
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
