/** Reads what cmsgpack packs of texts: see claim.lua. Decoding the bytes once, and cutting texts out of that, is much faster than one by one. */

const NOT_ASCII = /[\x80-\xff]/

/** A list of texts. */
export function unpackTexts(packed: Buffer): string[] {
  const reader = new Reader(packed)
  return reader.list(() => reader.text())
}

/** A list of flat lists of names, which are ASCII, and values. */
export function unpackLists(packed: Buffer): string[][] {
  const reader = new Reader(packed)
  return reader.list((before: string[] | undefined) => reader.list((_, n) => reader.text(n % 2 === 0 ? before?.[n] : undefined)))
}

class Reader {
  readonly #bytes: Buffer
  readonly #latin: string
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#latin = bytes.toString('latin1')
  }

  /** @param next is told the item before, and its place */
  list<T>(next: (before: T | undefined, n: number) => T): T[] {
    const items: T[] = Array(this.#size(0x90, 0x9f, 0xdb))
    for (let n = 0; n < items.length; n++) items[n] = next(items[n - 1], n)
    return items
  }

  /** @param likely an ASCII text that it may well be, which then is not made anew: names come again with each record */
  text(likely?: string): string {
    const length = this.#size(0xa0, 0xbf, 0xd9)
    const from = this.#position
    this.#position += length
    if (likely !== undefined && likely.length === length && this.#latin.startsWith(likely, from)) return likely
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
