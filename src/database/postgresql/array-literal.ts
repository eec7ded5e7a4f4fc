/**
 * Makes the text of PostgreSQL arrays. The rows of a statement are passed as one array for each column, because PostgreSQL reads arrays with less
 * work than JSON, and their text is shorter.
 */
import { NULL } from '../../model/codec.js'
import type { Field } from '../../model/model.js'
import { dropsZone } from './types.js'

/** Characters that need quotes: the syntax of arrays, and white space, which PostgreSQL may trim. */
const SYNTAX = /[{}",\\\s]/
/** For each byte of UTF-8, 1 if an element may have it without quotes. */
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte !== 0 && (byte > 127 || !SYNTAX.test(String.fromCharCode(byte)))),
)

const COMMA = ','.charCodeAt(0)
const QUOTE = '"'.charCodeAt(0)
const BACKSLASH = '\\'.charCodeAt(0)
const ZONE = 'Z'.charCodeAt(0)
const LETTER_N = 'n'.charCodeAt(0)
const LOWER_CASE = 0x20
/** Bytes of a new buffer. Its size is doubled as often as necessary. */
const FIRST_SIZE = 1024
/** Longest text that is checked character by character. A longer text is hardly ever plain. */
const MAX_COPIED = 128

/** Fields that belong to no model: one for arrays of any texts, and one for arrays of times. */
export const TEXTS = { type: 'String', sqlType: 'text', list: false } as const
const TIMES = { type: 'DateTime', sqlType: 'timestamp', list: false } as const

/** An array of stored texts of one field. Every text becomes exactly one element, even a text that the column's type does not take. */
export class ArrayLiteral {
  readonly #dropsZone: boolean
  readonly #isList: boolean
  #bytes = Buffer.allocUnsafe(FIRST_SIZE)
  #size = 0

  /** @param keepsZone see TimeZones */
  constructor(field: Pick<Field, 'type' | 'sqlType' | 'list'>, keepsZone = false) {
    this.#dropsZone = dropsZone(field, keepsZone)
    this.#isList = field.list
  }

  add(text: string): void {
    if (!this.#isPut(text, 0, text.length)) this.#putEncoded(text)
  }

  /** Adds a part of the buffer, which is UTF-8. Most texts are plain. A plain text is not turned into a string. */
  copy(source: Buffer, from: number, to: number): void {
    if (!this.#isPut(source, from, to)) this.#putEncoded(source.toString('utf8', from, to))
  }

  toString(): string {
    return `{${this.#bytes.toString('utf8', 0, Math.max(0, this.#size - 1))}}`
  }

  /** Adds a text as it is, if it is plain. A string is plain only if it is ASCII. */
  #isPut(source: string | Buffer, from: number, to: number): boolean {
    const end = this.#dropsZone && to > from && codeAt(source, to - 1) === ZONE ? to - 1 : to
    const length = end - from
    if (this.#isList || length === 0 || length > MAX_COPIED || mayBeNull(codeAt(source, from), length)) return false
    const mostCode = typeof source === 'string' ? 0x7f : 0xff
    const bytes = this.#reserve(length + 1)
    let at = this.#size
    for (let read = from; read < end; read++) {
      const code = codeAt(source, read)
      if (code > mostCode || IS_PLAIN[code] === 0) return false
      bytes[at++] = code
    }
    this.#end(at)
    return true
  }

  #putEncoded(text: string): void {
    const element = elementText(text, this.#dropsZone, this.#isList)
    if (element === NULL) this.#putPlain('NULL')
    else if (isPlain(element)) this.#putPlain(element)
    else this.#putQuoted(Buffer.from(element))
  }

  #putPlain(element: string): void {
    const bytes = this.#reserve(Buffer.byteLength(element) + 1)
    this.#end(this.#size + bytes.write(element, this.#size))
  }

  /** It works byte by byte, because a regex replacement with tens of millions of matches ends the process. */
  #putQuoted(element: Buffer): void {
    const bytes = this.#reserve(element.length + countEscaped(element) + 3)
    let at = this.#size
    bytes[at++] = QUOTE
    for (let n = 0; n < element.length; n++) {
      const code = element[n] as number
      if (code === QUOTE || code === BACKSLASH) bytes[at++] = BACKSLASH
      bytes[at++] = code
    }
    bytes[at++] = QUOTE
    this.#end(at)
  }

  #end(size: number): void {
    this.#bytes[size] = COMMA
    this.#size = size + 1
  }

  /** Makes room after the bytes that are there. */
  #reserve(length: number): Buffer {
    if (this.#size + length > this.#bytes.length) {
      const bytes = Buffer.allocUnsafe(2 * (this.#bytes.length + length))
      this.#bytes.copy(bytes, 0, 0, this.#size)
      this.#bytes = bytes
    }
    return this.#bytes
  }
}

function codeAt(source: string | Buffer, at: number): number {
  return typeof source === 'string' ? source.charCodeAt(at) : (source[at] as number)
}

/** Whether a text with this first character and length may be "null", in upper or lower case. */
function mayBeNull(first: number, length: number): boolean {
  return length === 4 && (first | LOWER_CASE) === LETTER_N
}

/** The element of an array for a stored text. */
export function elementText(text: string, dropZone: boolean, isList: boolean): string {
  return isList ? listLiteral(text, dropZone) : dropZone ? withoutZone(text) : text
}

function countEscaped(element: Buffer): number {
  let count = 0
  for (let n = 0; n < element.length; n++) if (element[n] === QUOTE || element[n] === BACKSLASH) count++
  return count
}

/** Drops the zone, as Prisma's adapter may do. A `timestamptz` then reads the time as one in the zone of the session. */
function withoutZone(text: string): string {
  return text.endsWith('Z') ? text.slice(0, -1) : text
}

function isPlain(text: string): boolean {
  return text.length > 0 && !SYNTAX.test(text) && (text.length !== 4 || text.toLowerCase() !== 'null')
}

/** The stored text of a list is JSON. Any other text comes from a time when the field was no list, and the database refuses it. */
function listLiteral(text: string, dropZone: boolean): string {
  try {
    const elements: unknown = JSON.parse(text)
    if (Array.isArray(elements)) {
      const literal = new ArrayLiteral(dropZone ? TIMES : TEXTS)
      for (const element of elements) literal.add(String(element))
      return literal.toString()
    }
  } catch {}
  return text
}
