/**
 * Copies the texts of most changes into the rows of the statement as they are. In all changes of a form, each text belongs to the same place of the
 * row. So these places are found out once for each form. After that only the length of a text is checked.
 */

import { NULL } from '../model/codec.js'
import type { Field } from '../model/model.js'
import { rangeOf } from '../model/scalars.js'
import { type ChangeShape, type RecordChange, textsOf } from './change.js'

/** UTF-8 texts as they came, with the position where each begins and ends. */
export interface RawTexts {
  readonly bytes: Buffer
  readonly bounds: readonly number[]
}

/** How the changes of one form are copied. */
export interface Copy extends ChangeShape {
  /** For each text of the change, the text of the row that it becomes (textsOf). */
  readonly places: readonly (number | undefined)[]
  /** For each text of the change, its highest number of bytes. A longer number may be too large to be inserted, so it must be read. */
  readonly longest: readonly number[]
  /** The other texts of the row. */
  readonly constants: readonly { readonly place: number; readonly text: string }[]
}

/** A change that is copied. */
export interface CopiedChange {
  readonly copy: Copy
  readonly texts: RawTexts
  /** The texts of the change. */
  readonly first: number
}

/**
 * Finds out how changes of a form are copied.
 * @param count the number of texts of a change
 * @param fields the fields that the changes are about
 * @param read makes a change of such texts. If its result depends on the texts, it must return a text that is none of them, or a change that is not regular
 * @returns `undefined` if changes of this form cannot be copied
 */
export function learnCopy(count: number, fields: readonly Field[], read: (texts: readonly string[]) => RecordChange): Copy | undefined {
  // Only a null begins with NUL. So these texts are no values. If `read` does not change them, it would not change any other text.
  const samples = Array.from({ length: count }, (_, n) => NULL + n)
  const change = read(samples)
  const { kind, pattern, regular } = change
  if (!regular) return undefined
  const places: (number | undefined)[] = samples.map(() => undefined)
  const longest = samples.map(() => Number.POSITIVE_INFINITY)
  const constants: { place: number; text: string }[] = []
  for (const [place, text] of textsOf(change).entries()) {
    if (text === NULL || !text.includes(NULL)) {
      constants.push({ place, text })
      continue
    }
    const n = Number(text.slice(NULL.length))
    if (samples[n] !== text || places[n] !== undefined) return undefined
    places[n] = place
    if (kind === 'upsert' && pattern[place] === '+') longest[n] = rangeOf(fields[place] as Field).safeLength
  }
  return { kind, pattern, regular, places, longest, constants }
}

/** Whether no number of the change can be too large. */
export function fitsCopy({ longest }: Copy, { bounds }: RawTexts, first: number): boolean {
  for (let n = 0; n < longest.length; n++) {
    const at = 2 * (first + n)
    if ((bounds[at + 1] as number) - (bounds[at] as number) > (longest[n] as number)) return false
  }
  return true
}
