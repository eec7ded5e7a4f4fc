/**
 * Reads texts that claim.lua has packed with cmsgpack. The texts of changes stay where they are, because most are copied into the statement from there
 * and never become strings. This runs for every flushed row, so it looks at bytes: to cut strings out of a string takes more than twice as long.
 */
import { STATE_LENGTH } from '../change/change-reader.js'
import type { RawTexts } from '../change/copy.js'
import { SINCE, SINCE_END } from './format.js'
import type { PackedRecords } from './replies.js'

const NOT_ASCII = /[\x80-\xff]/
const STATE = /^[uicdr]/
const ZERO = '0'.charCodeAt(0)

/** The bytes were not packed by a script of this library, or they are damaged. */
export class UnreadableChangeError extends Error {
  /** @param key the key of the record, if it is known */
  constructor(readonly key?: string) {
    super('the change in Redis cannot be read')
  }
}

/** What all changes of the same fields have in common. */
export interface ChangeHead {
  /** The state and the flags (docs/format.md). */
  readonly state: string
  /** The names of the other fields. */
  readonly names: readonly string[]
}

export interface UnpackedRecord {
  readonly key: string
  /** When the record was first written, ms by Redis' clock. */
  readonly since: number
  readonly head: ChangeHead
  /** The positions of its texts, one for each name. */
  readonly first: number
}

/** Texts within bytes. If all are ASCII, they are cut out of one string, because that is faster than to decode each. */
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

  /** Skips the first texts. */
  cut(count: number): void {
    this.#bounds.length = 2 * count
  }

  at(n: number): string {
    const [from, to] = [this.#bounds[2 * n] as number, this.#bounds[2 * n + 1] as number]
    this.#latin ??= this.bytes.toString('latin1')
    const text = this.#latin.slice(from, to)
    return NOT_ASCII.test(text) ? this.bytes.toString('utf8', from, to) : text
  }

  /** Reads the change of a record. */
  of({ first, head }: UnpackedRecord): string[] {
    return head.names.map((_, n) => this.at(first + n))
  }
}

/**
 * Reads the records of a batch, in their order.
 * @param skip is told of a record that cannot be read, which is left out then. Without it, such a record is an error
 * @throws UnreadableChangeError
 */
export function unpackRecords({ keys, changes }: PackedRecords, skip?: Skip): { records: UnpackedRecord[]; texts: PackedTexts } {
  const keyTexts = new PackedTexts(keys)
  const keyReader = new Reader(keys)
  const texts = new PackedTexts(changes)
  const reader = new Reader(changes)
  const heads = new HeadReader(changes)
  const records: UnpackedRecord[] = []
  const size = reader.listSize()
  if (keyReader.listSize() !== size) throw new UnreadableChangeError()
  for (let n = 0; n < size; n++) {
    keyReader.skipText(keyTexts)
    const length = reader.textSize()
    const [from, end, first] = [reader.position, reader.position + length, texts.count]
    try {
      reader.skip(SINCE)
      const since = reader.number(SINCE_END - SINCE)
      const head = heads.next(reader)
      for (let left = head.names.length; left > 0; left--) reader.skipText(texts)
      // If a change is longer or shorter than it says, a part of another record would be read.
      if (reader.position !== end) throw new UnreadableChangeError()
      records.push({ key: keyTexts.at(n), since, head, first })
    } catch (error) {
      if (!(error instanceof UnreadableChangeError)) throw error
      const named = new UnreadableChangeError(keyTexts.at(n))
      if (skip === undefined) throw named
      skip(n, named)
      reader.goTo(from + length)
      texts.cut(first)
    }
  }
  return { records, texts }
}

type Skip = (position: number, error: UnreadableChangeError) => void

/** Reads the beginnings of changes. Mostly a change begins like the one before. */
class HeadReader {
  readonly #changes: Buffer
  readonly #known = new Map<string, ChangeHead>()
  #last: ChangeHead | undefined
  #from = 0
  #to = 0

  constructor(changes: Buffer) {
    this.#changes = changes
  }

  next(reader: Reader): ChangeHead {
    if (this.#last !== undefined && reader.skipRepeated(this.#from, this.#to)) return this.#last
    const from = reader.position
    reader.skip(STATE_LENGTH)
    for (let left = reader.listSize(); left > 0; left--) reader.skip(reader.textSize())
    const id = this.#changes.toString('latin1', from, reader.position)
    const head = this.#known.get(id) ?? readHead(this.#changes.subarray(from, reader.position))
    this.#known.set(id, head)
    this.#last = head
    this.#from = from
    this.#to = reader.position
    return head
  }
}

/** Returns the number of bytes of each change of a batch. */
export function changeSizes({ changes }: PackedRecords): number[] {
  const reader = new Reader(changes)
  return Array.from({ length: reader.listSize() }, () => {
    const size = reader.textSize()
    reader.skip(size)
    return size
  })
}

function readHead(bytes: Buffer): ChangeHead {
  const reader = new Reader(bytes)
  const head = { state: reader.string(STATE_LENGTH), names: reader.strings() }
  if (!STATE.test(head.state)) throw new UnreadableChangeError()
  return head
}

/** Returns the number of records. */
export function countRecords({ keys }: PackedRecords): number {
  return new Reader(keys).listSize()
}

/** Reads a list of texts. */
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

  goTo(position: number): void {
    this.#position = position
  }

  listSize(): number {
    const size = this.#size(0x90, 0x9f, 0xdb)
    // Each element has at least one byte, so the list cannot have more elements than there are bytes left.
    this.#require(size)
    return size
  }

  textSize(): number {
    const size = this.#size(0xa0, 0xbf, 0xd9)
    this.#require(size)
    return size
  }

  strings(): string[] {
    return Array.from({ length: this.listSize() }, () => this.string(this.textSize()))
  }

  string(size: number): string {
    this.skip(size)
    return this.#bytes.toString('utf8', this.#position - size, this.#position)
  }

  /** Reads a number with this many digits. */
  number(size: number): number {
    this.#require(size)
    let number = 0
    for (const end = this.#position + size; this.#position < end; this.#position++) {
      const digit = (this.#bytes[this.#position] as number) - ZERO
      if (digit < 0 || digit > 9) throw new UnreadableChangeError()
      number = 10 * number + digit
    }
    return number
  }

  skip(size: number): void {
    this.#require(size)
    this.#position += size
  }

  /** Adds the position of the next text. */
  skipText(texts: PackedTexts): void {
    const size = this.textSize()
    texts.push(this.#position, this.#position + size)
    this.#position += size
  }

  /** Skips the bytes between these positions if they come again. */
  skipRepeated(from: number, to: number): boolean {
    for (let at = from; at < to; at++) {
      if (this.#bytes[at] !== this.#bytes[this.#position + at - from]) return false
    }
    this.#position += to - from
    return true
  }

  #require(size: number): void {
    if (this.#position + size > this.#bytes.length) throw new UnreadableChangeError()
  }

  /** Reads a size. It is in the head byte if that lies between `least` and `most`. Otherwise it follows in 1, 2 or 4 bytes, whose heads count from `wide`. */
  #size(least: number, most: number, wide: number): number {
    const head = this.#bytes[this.#position++]
    if (head === undefined) throw new UnreadableChangeError()
    if (head >= least && head <= most) return head - least
    if (head < wide || head > wide + 2) throw new UnreadableChangeError()
    const width = 1 << (head - wide)
    this.#require(width)
    let size = 0
    for (let left = width; left > 0; left--) size = 256 * size + (this.#bytes[this.#position++] as number)
    return size
  }
}
