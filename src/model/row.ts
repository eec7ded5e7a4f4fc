import { PersistError } from '../errors.js'
import { decode, isMember } from './codec.js'
import { plainFields } from './fields.js'
import { splitKey } from './key.js'
import type { Field, Model } from './model.js'

/** Where a field of a row comes from: a part of the key, or a place in the cached row. */
interface Source {
  readonly field: Field
  readonly keyPart: number
  readonly plain: number
}

/** Makes rows as Prisma returns them. It takes a record's key and the stored texts of the other fields. */
export class RowDecoder {
  readonly #model: string
  readonly #sources: ReadonlyMap<string, Source>

  constructor(model: Model) {
    this.#model = model.name
    const plain = plainFields(model)
    this.#sources = new Map(
      model.fields.map((field) => [field.name, { field, keyPart: model.key.indexOf(field.name), plain: plain.indexOf(field) }]),
    )
  }

  /**
   * @param select the fields to take, in this order. @default all fields, in the order of the schema
   * @throws PersistError if a field holds a member of its enum that this release does not know
   */
  decode(key: string, texts: readonly string[], select?: Readonly<Record<string, boolean | undefined>>): Record<string, unknown> {
    const keyTexts = splitKey(key)
    const row: Record<string, unknown> = {}
    const take = ({ field, keyPart, plain }: Source) => {
      const text = (keyPart < 0 ? texts[plain] : keyTexts[keyPart]) as string
      if (field.enum !== undefined && !isMember(field, text)) throw this.#unknownMember(key, field)
      row[field.name] = decode(field, text)
    }
    if (select === undefined) for (const source of this.#sources.values()) take(source)
    for (const name in select) {
      const source = select[name] === true ? this.#sources.get(name) : undefined
      if (source !== undefined) take(source)
    }
    return row
  }

  #unknownMember(key: string, { name, enum: members = {} }: Field): PersistError {
    const expected = `one of ${Object.keys(members).join(', ')}`
    const message = `${this.#model}.${name}: expected ${expected}, found a member of the enum that this release does not know`
    return new PersistError('REFUSED', message, undefined, { model: this.#model, key })
  }
}
