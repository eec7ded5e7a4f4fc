import { plainFields } from './change.js'
import { decode } from './codec.js'
import { splitKey } from './key.js'
import type { Field, Model } from './model.js'

/** Where a field of a row comes from: a part of the key, or a place in the view. */
interface Source {
  readonly field: Field
  readonly keyPart: number
  readonly plain: number
}

/** Makes rows, as Prisma returns them, of a record's key and of the stored texts of its other fields. */
export class RowDecoder {
  readonly #sources: readonly Source[]

  constructor(model: Model) {
    const plain = plainFields(model)
    this.#sources = model.fields.map((field) => ({ field, keyPart: model.key.indexOf(field.name), plain: plain.indexOf(field) }))
  }

  /** @param select the fields to take; by default all */
  decode(key: string, texts: readonly string[], select?: Readonly<Record<string, boolean | undefined>>): Record<string, unknown> {
    const keyTexts = splitKey(key)
    const row: Record<string, unknown> = {}
    for (const { field, keyPart, plain } of this.#sources) {
      if (select === undefined || select[field.name] === true)
        row[field.name] = decode(field, (keyPart < 0 ? texts[plain] : keyTexts[keyPart]) as string)
    }
    return row
  }
}
