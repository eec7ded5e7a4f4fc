/** The stored text of a string. */
import { invalid } from './describe.js'
import type { Field, Model } from './model.js'

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
/** NUL, or a surrogate, which may be a lone one. */
const SUSPECT = /[\0\ud800-\udfff]/
const LONE_SURROGATE = /\p{Surrogate}/u

/** @throws InvalidInputError if the database could not hold the string */
export function encodeText(model: Pick<Model, 'name'>, field: Field, value: unknown): string {
  if (typeof value !== 'string') throw invalid(model, field, 'a string', value)
  if (field.uuid) return encodeUuid(model, field, value)
  if (SUSPECT.test(value)) {
    if (value.includes('\0')) throw invalid(model, field, 'text without the NUL character', value)
    if (LONE_SURROGATE.test(value)) throw invalid(model, field, 'well-formed Unicode text', value)
  }
  if (field.maxLength !== undefined && value.length > field.maxLength) {
    const length = countCharacters(value)
    if (length > field.maxLength) throw invalid(model, field, `at most ${field.maxLength} characters`, `${length} characters`, true)
  }
  return value
}

/** The text as the database writes it. */
function encodeUuid(model: Pick<Model, 'name'>, field: Field, value: string): string {
  if (!UUID.test(value)) throw invalid(model, field, 'a UUID', value)
  const hex = value.toLowerCase().replaceAll('-', '')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Counts as the database does: a pair of surrogates is one character. */
function countCharacters(text: string): number {
  let count = 0
  for (let n = 0; n < text.length; n++) if ((text.charCodeAt(n) & 0xfc00) !== 0xdc00) count++
  return count
}
