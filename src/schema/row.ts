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
  readonly #sources: ReadonlyMap<string, Source>

  constructor(model: Model) {
    const plain = plainFields(model)
    this.#sources = new Map(
      model.fields.map((field) => [field.name, { field, keyPart: model.key.indexOf(field.name), plain: plain.indexOf(field) }]),
    )
  }

  /** @param select the fields to take, in their order; by default all, in that of the schema */
  decode(key: string, texts: readonly string[], select?: Readonly<Record<string, boolean | undefined>>): Record<string, unknown> {
    const keyTexts = splitKey(key)
    const row: Record<string, unknown> = {}
    const take = ({ field, keyPart, plain }: Source) => {
      row[field.name] = decode(field, (keyPart < 0 ? texts[plain] : keyTexts[keyPart]) as string)
    }
    if (select === undefined) for (const source of this.#sources.values()) take(source)
    for (const name in select) {
      const source = select[name] === true ? this.#sources.get(name) : undefined
      if (source !== undefined) take(source)
    }
    return row
  }
}
