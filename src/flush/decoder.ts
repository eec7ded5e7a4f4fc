import { ChangeReader, type Form, UnknownFieldError } from '../change/change-reader.js'
import { type Copy, fitsCopy } from '../change/copy.js'
import type { RowChange } from '../database/postgresql/statement.js'
import { PersistError, unreadableError } from '../errors.js'
import type { Model } from '../model/model.js'
import type { PackedRecords } from '../redis/replies.js'
import { type ChangeHead, UnreadableChangeError, unpackRecords } from '../redis/unpack.js'

export interface DecodedBatch {
  /** Sorted by key. */
  readonly changes: readonly RowChange[]
  /** When its records were first written, ms by Redis' clock, in any order. */
  readonly since: readonly number[]
}

export interface EachDecoded {
  /** Sorted by key. */
  readonly changes: readonly RowChange[]
  /** Of each change, where its record is in the batch. */
  readonly positions: readonly number[]
  /** Why records cannot be read, by their position in the batch. */
  readonly refused: ReadonlyMap<number, PersistError>
}

/** Makes a claimed batch what a statement takes. What is done here is done for every row, and is a good part of what a flush costs Node. */
export class BatchDecoder {
  readonly #model: Model
  readonly #changes: ChangeReader

  constructor(model: Model) {
    this.#model = model
    this.#changes = new ChangeReader(model)
  }

  /** @throws PersistError if a record has a field that the model has not (any more) */
  decode(packed: PackedRecords): DecodedBatch {
    const { records, texts } = unpackRecords(packed)
    records.sort((a, b) => (a.key < b.key ? -1 : 1))
    const known = new Map<ChangeHead, { form: Form; copy: Copy | undefined }>()
    const changes = records.map((record): RowChange => {
      const { key, head, first } = record
      let found = known.get(head)
      if (found === undefined) {
        const form = this.#formOf(head, key)
        found = { form, copy: this.#changes.copyOf(form) }
        known.set(head, found)
      }
      const { form, copy } = found
      if (copy !== undefined && fitsCopy(copy, texts, first)) return { key, change: { copy, texts, first } }
      return { key, change: this.#changes.read(form, texts.of(record)) }
    })
    return { changes, since: records.map(({ since }) => since) }
  }

  /**
   * As `decode`, record by record: those that cannot be read are apart.
   * @param check throws PersistError of a change that is to be apart, too
   * @throws UnreadableChangeError if nobody can tell where a change ends
   */
  decodeEach(packed: PackedRecords, check: (change: RowChange) => void): EachDecoded {
    const refused = new Map<number, PersistError>()
    const fail = (position: number, error: unknown) => void refused.set(position, toDecodeError(this.#model.name, error))
    const { records, texts } = unpackRecords(packed, fail)
    const decoded: { change: RowChange; position: number }[] = []
    let position = 0
    for (const record of records) {
      while (refused.has(position)) position++
      const { key, head } = record
      try {
        const change = this.#changes.read(this.#formOf(head, key), texts.of(record))
        check({ key, change })
        decoded.push({ change: { key, change }, position })
      } catch (error) {
        fail(position, error)
      }
      position++
    }
    decoded.sort((a, b) => (a.change.key < b.change.key ? -1 : 1))
    return { changes: decoded.map(({ change }) => change), positions: decoded.map(({ position }) => position), refused }
  }

  #formOf({ state, names }: ChangeHead, key: string): Form {
    try {
      return this.#changes.form(state, names)
    } catch (error) {
      if (!(error instanceof UnknownFieldError)) throw error
      const model = this.#model.name
      throw new PersistError('REFUSED', `${model}: ${error.message}`, undefined, { model, key })
    }
  }
}

/** A change that cannot be read stands in nobody's way: whatever a look at it throws, the records are at fault, not the database. */
export function toDecodeError(model: string, error: unknown): PersistError {
  if (error instanceof PersistError) return error
  if (error instanceof UnreadableChangeError) return unreadableError(model, error.key)
  return new PersistError('REFUSED', `${model}: the change in Redis cannot be read (${nameOf(error)})`, undefined, { model })
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
