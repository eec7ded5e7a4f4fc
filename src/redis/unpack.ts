/** Reads what cmsgpack packs of texts: see claim.lua. Decoding the bytes once, and cutting texts out of that, is much faster than one by one. */

const NOT_ASCII = /[\x80-\xff]/

/** A list of texts. */
export function unpackTexts(packed: Buffer): string[] {
  const reader = new Reader(packed)
  return reader.list(() => reader.text())
}

/** A list of lists of texts. */
export function unpackLists(packed: Buffer): string[][] {
  const reader = new Reader(packed)
  const text = () => reader.text()
  return reader.list(() => reader.list(text))
}

class Reader {
  readonly #bytes: Buffer
  readonly #latin: string
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#latin = bytes.toString('latin1')
  }

  list<T>(next: () => T): T[] {
    const items: T[] = Array(this.#size(0x90, 0x9f, 0xdb))
    for (let n = 0; n < items.length; n++) items[n] = next()
    return items
  }

  text(): string {
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
