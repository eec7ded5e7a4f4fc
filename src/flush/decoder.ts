/** Turns a claimed batch into the changes that a statement takes. */
import { ChangeReader, type Form, UnknownFieldError } from '../change/change-reader.js'
import { type Copy, fitsCopy } from '../change/copy.js'
import type { RowChange } from '../database/database.js'
import { PersistError, unreadableError } from '../errors.js'
import type { Model } from '../model/model.js'
import type { PackedRecords } from '../redis/replies.js'
import { type ChangeHead, UnreadableChangeError, unpackRecords } from '../redis/unpack.js'

export interface DecodedBatch {
  /** Sorted by key. */
  readonly changes: readonly RowChange[]
  /** The times at which each record was first written since it was clean: ms by Redis' clock, in any order. */
  readonly since: readonly number[]
}

export interface EachDecoded {
  /** Sorted by key. */
  readonly changes: readonly RowChange[]
  /** For each change, the position of its record in the batch. */
  readonly positions: readonly number[]
  /** The records that cannot be read, by their position in the batch, and why. */
  readonly refused: ReadonlyMap<number, PersistError>
}

/** Decodes the packed changes of a batch. This runs for every row, and is a large part of the time that a flush takes in Node. */
export class BatchDecoder {
  readonly #model: Model
  readonly #changes: ChangeReader

  constructor(model: Model) {
    this.#model = model
    this.#changes = new ChangeReader(model)
  }

  /** @throws PersistError if a record has a field that the model does not have (any more) */
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
   * Decodes record by record, and sets apart those that cannot be read.
   * @param check throws PersistError for a change that has to be set apart, too
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

/**
 * If decoding throws anything, the reason is in the records and not in the database. So an unreadable change is parked, and does not delay other
 * records.
 */
export function toDecodeError(model: string, error: unknown): PersistError {
  if (error instanceof PersistError) return error
  if (error instanceof UnreadableChangeError) return unreadableError(model, error.key)
  return new PersistError('REFUSED', `${model}: the change in Redis cannot be read (${nameOf(error)})`, undefined, { model })
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
