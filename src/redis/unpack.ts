/** Reads what cmsgpack packs of texts: see claim.lua. Decoding the bytes once, and cutting texts out of that, is much faster than one by one. */

import type { PackedRecords } from './replies.js'

const NOT_ASCII = /[\x80-\xff]/
/** Bytes that a list begins with, at most. */
const LONGEST_HEAD = 5
/** The first field of a change: its state, then the time. What is packed begins with when the record was due, and that time. */
const STATE = '~'
const STATE_LENGTH = 3
const TIME_LENGTH = 13

/** Changes that have the same fields. */
export interface ChangeGroup {
  readonly names: readonly string[]
  /** Of one change after the other, in the order of the names. */
  readonly values: readonly string[]
}

/** The keys of a batch's records, and their changes in the same order: see packed.lua. */
export function unpackRecords({ keys, changes }: PackedRecords): { keys: string[]; groups: ChangeGroup[] } {
  const reader = new Reader(changes)
  const groups: { names: string[]; values: string[] }[] = []
  let group = { names: [] as string[], values: [] as string[] }
  // State and names of the change before: mostly the next has the same.
  let head: string | undefined
  for (let left = reader.listSize(); left > 0; left--) {
    reader.textSize()
    reader.take(TIME_LENGTH)
    const time = reader.take(TIME_LENGTH)
    if (head === undefined || !reader.skip(head)) {
      const from = reader.position
      reader.take(STATE_LENGTH)
      group = { names: [STATE, ...reader.texts()], values: [] }
      groups.push(group)
      head = reader.since(from)
    }
    group.values.push(head.slice(0, STATE_LENGTH) + time)
    for (let n = 1; n < group.names.length; n++) group.values.push(reader.text())
  }
  return { keys: new Reader(keys).texts(), groups }
}

/** How many records they are. */
export function countRecords({ keys }: PackedRecords): number {
  return new Reader(keys.subarray(0, LONGEST_HEAD)).listSize()
}

class Reader {
  readonly #bytes: Buffer
  readonly #latin: string
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#latin = bytes.toString('latin1')
  }

  get position(): number {
    return this.#position
  }

  listSize(): number {
    return this.#size(0x90, 0x9f, 0xdb)
  }

  textSize(): number {
    return this.#size(0xa0, 0xbf, 0xd9)
  }

  texts(): string[] {
    return Array.from({ length: this.listSize() }, () => this.text())
  }

  text(): string {
    const length = this.textSize()
    const from = this.#position
    const text = this.take(length)
    return NOT_ASCII.test(text) ? this.#bytes.toString('utf8', from, this.#position) : text
  }

  /** So many bytes, a character each. */
  take(length: number): string {
    const from = this.#position
    this.#position += length
    return this.#latin.slice(from, this.#position)
  }

  /** The bytes from there to here, a character each. */
  since(position: number): string {
    return this.#latin.slice(position, this.#position)
  }

  /** Goes past these bytes, if they come next. */
  skip(bytes: string): boolean {
    if (!this.#latin.startsWith(bytes, this.#position)) return false
    this.#position += bytes.length
    return true
  }

  /** A size is in the head byte if that lies between `least` and `most`; else in 1, 2 or 4 bytes, whose heads count from `wide`. */
  #size(least: number, most: number, wide: number): number {
    const head = this.#latin.charCodeAt(this.#position++)
    if (head >= least && head <= most) return head - least
    const width = 1 << (head - wide)
    const size = this.#bytes.readUIntBE(this.#position, width)
    this.#position += width
    return size
  }
}
