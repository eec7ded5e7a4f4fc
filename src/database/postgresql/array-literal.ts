/**
 * Text of PostgreSQL arrays. Rows travel as one array a column: PostgreSQL reads them with less work than JSON, and they are shorter.
 */
import { NULL } from '../../model/codec.js'
import type { Field } from '../../model/model.js'

/** What has to be quoted: the syntax of arrays, and white space, which may be trimmed. */
const SYNTAX = /[{}",\\\s]/
/** By byte of UTF-8: 1 if it can be in an element without quotes. */
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte !== 0 && (byte > 127 || !SYNTAX.test(String.fromCharCode(byte)))),
)

const COMMA = ','.charCodeAt(0)
const QUOTE = '"'.charCodeAt(0)
const BACKSLASH = '\\'.charCodeAt(0)
const ZONE = 'Z'.charCodeAt(0)
const LETTER_N = 'n'.charCodeAt(0)
const LOWER_CASE = 0x20
/** Bytes; it doubles as often as it has to. */
const FIRST_SIZE = 1024
/** Characters that are looked at one by one: a longer text is hardly plain. */
const MAX_COPIED = 128

/** An array of a field's stored texts, element by element. Every text is one element, also one that the column's type does not take. */
export class ArrayLiteral {
  readonly #isTime: boolean
  readonly #isList: boolean
  #bytes = Buffer.allocUnsafe(FIRST_SIZE)
  #size = 0

  /** @param keepsZone see TimeZones */
  constructor({ type, sqlType, list }: Pick<Field, 'type' | 'list'> & Partial<Field>, keepsZone = false) {
    this.#isTime = type === 'DateTime' && !(keepsZone && sqlType === 'timestamptz')
    this.#isList = list
  }

  add(text: string): void {
    if (!this.#isPut(text, 0, text.length)) this.#putEncoded(text)
  }

  /** Adds the text that lies there in UTF-8. It is not made a string, if it is plain, as most are. */
  copy(source: Buffer, from: number, to: number): void {
    if (!this.#isPut(source, from, to)) this.#putEncoded(source.toString('utf8', from, to))
  }

  toString(): string {
    return `{${this.#bytes.toString('utf8', 0, Math.max(0, this.#size - 1))}}`
  }

  /** Adds a text as it is, if it is plain: of a string only ASCII is. */
  #isPut(source: string | Buffer, from: number, to: number): boolean {
    const end = this.#isTime && to > from && codeAt(source, to - 1) === ZONE ? to - 1 : to
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
    const element = elementText(text, this.#isTime, this.#isList)
    if (element === NULL) this.#putPlain('NULL')
    else if (isPlain(element)) this.#putPlain(element)
    else this.#putQuoted(Buffer.from(element))
  }

  #putPlain(element: string): void {
    const bytes = this.#reserve(Buffer.byteLength(element) + 1)
    this.#end(this.#size + bytes.write(element, this.#size))
  }

  /** Byte by byte: a regex replacement of tens of millions of matches ends the process. */
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

  /** Room behind what is there. */
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

/** Whether a text of such a first character may be "null", in whatever case. */
function mayBeNull(first: number, length: number): boolean {
  return length === 4 && (first | LOWER_CASE) === LETTER_N
}

/** What an element of an array says in the place of a stored text. */
export function elementText(text: string, isTime: boolean, isList: boolean): string {
  return isList ? listLiteral(text, isTime) : isTime ? withoutZone(text) : text
}

function countEscaped(element: Buffer): number {
  let count = 0
  for (let n = 0; n < element.length; n++) if (element[n] === QUOTE || element[n] === BACKSLASH) count++
  return count
}

/** Without its zone, as Prisma may send it and read it: a `timestamptz` takes it for a time in the zone of the session. */
function withoutZone(text: string): string {
  return text.endsWith('Z') ? text.slice(0, -1) : text
}

function isPlain(text: string): boolean {
  return text.length > 0 && !SYNTAX.test(text) && (text.length !== 4 || text.toLowerCase() !== 'null')
}

/** A list's stored text is JSON. A text that is not, of a field that was no list before, is left for the database to refuse. */
function listLiteral(text: string, isTime: boolean): string {
  try {
    const elements: unknown = JSON.parse(text)
    if (Array.isArray(elements)) {
      const literal = new ArrayLiteral({ type: isTime ? 'DateTime' : 'String', list: false })
      for (const element of elements) literal.add(String(element))
      return literal.toString()
    }
  } catch {}
  return text
}
