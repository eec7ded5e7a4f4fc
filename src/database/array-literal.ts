/**
 * Text of PostgreSQL arrays. Rows travel as one array a column: PostgreSQL reads them with less work than JSON, and they are shorter.
 */
import { NULL } from '../schema/codec.js'
import type { Field } from '../schema/model.js'

/** What has to be quoted: the syntax of arrays, and white space, which may be trimmed. */
const SYNTAX = /[{}",\\\s]/
const ESCAPED = /["\\]/g

export function arrayLiteral(elements: readonly string[]): string {
  return `{${elements.join()}}`
}

/** A field's stored text as an element. Every text is one element, also one that the column's type does not take. */
export function elementEncoder(field: Field): (text: string) => string {
  const encode = field.type === 'DateTime' ? encodeTime : arrayElement
  return field.list ? (text) => arrayElement(listLiteral(text, encode)) : encode
}

/** Without its zone, as Prisma sends it and reads it: a `timestamptz` takes it for a time in the zone of the session. */
function encodeTime(text: string): string {
  return arrayElement(text.endsWith('Z') ? text.slice(0, -1) : text)
}

function arrayElement(text: string): string {
  if (text === NULL) return 'NULL'
  if (text.length > 0 && !SYNTAX.test(text) && (text.length !== 4 || text.toLowerCase() !== 'null')) return text
  return `"${text.replace(ESCAPED, '\\$&')}"`
}

/** A list's stored text is JSON. A text that is not, of a field that was no list before, is left for the database to refuse. */
function listLiteral(text: string, encode: (element: string) => string): string {
  try {
    const elements: unknown = JSON.parse(text)
    if (Array.isArray(elements)) return arrayLiteral(elements.map((element) => encode(String(element))))
  } catch {}
  return text
}
