/**
 * Reads what cmsgpack packs of texts: see claim.lua. The texts of changes are left where they are: most are copied into the statement from
 * there, and never become strings. It runs for every row flushed, and so looks at bytes: strings cut out of a string take more than twice as long.
 */
import { STATE_LENGTH } from '../schema/change-reader.js'
import type { RawTexts } from '../schema/copy.js'
import type { PackedRecords } from './replies.js'

/** Bytes that a list begins with, at most. */
const LONGEST_HEAD = 5
/** A change begins with when the record was due, and when it was first written. */
const TIME_LENGTH = 13
const NOT_ASCII = /[\x80-\xff]/
const ZERO = '0'.charCodeAt(0)

/** What the changes of the same fields have in common. */
export interface ChangeHead {
  /** The state and the flags: see write.lua. */
  readonly state: string
  /** Of the other fields. */
  readonly names: readonly string[]
}

export interface UnpackedRecord {
  readonly key: string
  /** Time of the first write, ms by Redis' clock. */
  readonly since: number
  readonly head: ChangeHead
  /** Of its texts, one for each name. */
  readonly first: number
}

/** Texts that lie in bytes. Strings are cut out of one, if they are ASCII: that is faster than to decode them one by one. */
export class PackedTexts implements RawTexts {
  readonly bytes: Buffer
  readonly #bounds: number[] = []
  #latin: string | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get bounds(): readonly number[] {
    return this.#bounds
  }

  get count(): number {
    return this.#bounds.length / 2
  }

  push(from: number, to: number): void {
    this.#bounds.push(from, to)
  }

  at(n: number): string {
    const [from, to] = [this.#bounds[2 * n] as number, this.#bounds[2 * n + 1] as number]
    this.#latin ??= this.bytes.toString('latin1')
    const text = this.#latin.slice(from, to)
    return NOT_ASCII.test(text) ? this.bytes.toString('utf8', from, to) : text
  }

  /** Of a record's change. */
  of({ first, head }: UnpackedRecord): string[] {
    return head.names.map((_, n) => this.at(first + n))
  }
}

/** A batch's records, in its order: see packed.lua. */
export function unpackRecords({ keys, changes }: PackedRecords): { records: UnpackedRecord[]; texts: PackedTexts } {
  const keyTexts = new PackedTexts(keys)
  const keyReader = new Reader(keys)
  const texts = new PackedTexts(changes)
  const reader = new Reader(changes)
  const records: UnpackedRecord[] = []
  const heads = new Map<string, ChangeHead>()
  // Mostly a change has that of the one before.
  let head: ChangeHead = { state: '', names: [] }
  let [headFrom, headTo] = [0, 0]
  keyReader.listSize()
  const size = reader.listSize()
  for (let n = 0; n < size; n++) {
    reader.textSize()
    reader.skip(TIME_LENGTH)
    const since = reader.number(TIME_LENGTH)
    if (n === 0 || !reader.skipRepeated(headFrom, headTo)) {
      headFrom = reader.position
      reader.skip(STATE_LENGTH)
      for (let left = reader.listSize(); left > 0; left--) reader.skip(reader.textSize())
      headTo = reader.position
      const id = changes.toString('latin1', headFrom, headTo)
      head = heads.get(id) ?? readHead(changes.subarray(headFrom, headTo))
      heads.set(id, head)
    }
    keyReader.skipText(keyTexts)
    records.push({ key: keyTexts.at(n), since, head, first: texts.count })
    for (let left = head.names.length; left > 0; left--) reader.skipText(texts)
  }
  return { records, texts }
}

function readHead(bytes: Buffer): ChangeHead {
  const reader = new Reader(bytes)
  return { state: reader.string(STATE_LENGTH), names: reader.strings() }
}

/** How many records they are. */
export function countRecords({ keys }: PackedRecords): number {
  return new Reader(keys.subarray(0, LONGEST_HEAD)).listSize()
}

/** A list of texts. */
export function unpackTexts(bytes: Buffer): string[] {
  return new Reader(bytes).strings()
}

class Reader {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
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

  strings(): string[] {
    return Array.from({ length: this.listSize() }, () => this.string(this.textSize()))
  }

  string(size: number): string {
    this.#position += size
    return this.#bytes.toString('utf8', this.#position - size, this.#position)
  }

  /** Of so many digits. */
  number(size: number): number {
    let number = 0
    for (const end = this.#position + size; this.#position < end; this.#position++)
      number = 10 * number + (this.#bytes[this.#position] as number) - ZERO
    return number
  }

  skip(size: number): void {
    this.#position += size
  }

  /** Adds where the next text lies. */
  skipText(texts: PackedTexts): void {
    const size = this.textSize()
    texts.push(this.#position, this.#position + size)
    this.#position += size
  }

  /** Goes past what lies between these positions, if it comes again. */
  skipRepeated(from: number, to: number): boolean {
    for (let at = from; at < to; at++) {
      if (this.#bytes[at] !== this.#bytes[this.#position + at - from]) return false
    }
    this.#position += to - from
    return true
  }

  /** A size is in the head byte if that lies between `least` and `most`; else in 1, 2 or 4 bytes, whose heads count from `wide`. */
  #size(least: number, most: number, wide: number): number {
    const head = this.#bytes[this.#position++] as number
    if (head >= least && head <= most) return head - least
    let size = 0
    for (let width = 1 << (head - wide); width > 0; width--) size = 256 * size + (this.#bytes[this.#position++] as number)
    return size
  }
}
