/** Reads what cmsgpack packs of texts: see claim.lua. Decoding the bytes once, and cutting texts out of that, is much faster than one by one. */

import type { PackedRecords } from './replies.js'

const NOT_ASCII = /[\x80-\xff]/
/** Bytes that a list begins with, at most. */
const LONGEST_HEAD = 5

/** Changes that have the same fields. */
export interface ChangeGroup {
  readonly names: readonly string[]
  /** Of one change after the other, in the order of the names. */
  readonly values: readonly string[]
}

/** The keys of a batch's records, and their changes in the same order. */
export function unpackRecords({ keys, changes }: PackedRecords): { keys: string[]; groups: ChangeGroup[] } {
  const reader = new Reader(changes)
  const groups = reader.list(() => {
    const [names = [], values = []] = reader.list(() => reader.texts())
    return { names, values }
  })
  return { keys: new Reader(keys).texts(), groups }
}

/** How many records they are. */
export function countRecords({ keys }: PackedRecords): number {
  return new Reader(keys.subarray(0, LONGEST_HEAD)).size()
}

class Reader {
  readonly #bytes: Buffer
  readonly #latin: string
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#latin = bytes.toString('latin1')
  }

  /** Of a list. */
  size(): number {
    return this.#size(0x90, 0x9f, 0xdb)
  }

  list<T>(next: () => T): T[] {
    const items: T[] = Array(this.size())
    for (let n = 0; n < items.length; n++) items[n] = next()
    return items
  }

  texts(): string[] {
    return this.list(() => this.#text())
  }

  #text(): string {
    const length = this.#size(0xa0, 0xbf, 0xd9)
    const from = this.#position
    this.#position += length
    const text = this.#latin.slice(from, this.#position)
    return NOT_ASCII.test(text) ? this.#bytes.toString('utf8', from, this.#position) : text
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
