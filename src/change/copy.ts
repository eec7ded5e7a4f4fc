/**
 * Most changes are only passed on: each of their texts goes into the row as it is, and which one goes where is the same for all changes
 * of a form. It is learned once, and then no text is looked at but for its length.
 */

import { NULL } from '../model/codec.js'
import type { Field } from '../model/model.js'
import { rangeOf } from '../model/scalars.js'
import { type ChangeShape, type RecordChange, textsOf } from './change.js'

/** UTF-8 texts, as they came: where each of them begins, and where it ends. */
export interface RawTexts {
  readonly bytes: Buffer
  readonly bounds: readonly number[]
}

/** What changes come to whose texts are passed on. */
export interface Copy extends ChangeShape {
  /** Of each text of the change, which of the row's it becomes (see textsOf). */
  readonly places: readonly (number | undefined)[]
  /** Of each text of the change, most bytes: a number that has more may be too large to be inserted, which takes a look. */
  readonly longest: readonly number[]
  /** The row's other texts. */
  readonly constants: readonly { readonly place: number; readonly text: string }[]
}

/** A change that is passed on. */
export interface CopiedChange {
  readonly copy: Copy
  readonly texts: RawTexts
  /** Of its texts. */
  readonly first: number
}

/**
 * @param count of the texts of a change
 * @param fields that changes are about
 * @param read what a change of these texts comes to. What depends on the texts themselves has to come out as no text of theirs, or not regular
 * @returns nothing if changes of this form are more than passed on
 */
export function learnCopy(count: number, fields: readonly Field[], read: (texts: readonly string[]) => RecordChange): Copy | undefined {
  // Of all texts only a null begins with NUL: where these come out as they are, whatever else is there would.
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

/** Whether no number of the change may be too large. */
export function fitsCopy({ longest }: Copy, { bounds }: RawTexts, first: number): boolean {
  for (let n = 0; n < longest.length; n++) {
    const at = 2 * (first + n)
    if ((bounds[at + 1] as number) - (bounds[at] as number) > (longest[n] as number)) return false
  }
  return true
}
