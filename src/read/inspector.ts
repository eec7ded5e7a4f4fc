import { type Mark, type Operand, operandsOf, type RecordChange } from '../change/change.js'
import { ChangeReader, UnknownFieldError } from '../change/change-reader.js'
import { ConfigurationError, unreadableError } from '../errors.js'
import type { PendingRecord } from '../model/arguments.js'
import { decode } from '../model/codec.js'
import { plainFields } from '../model/fields.js'
import type { Field, Model } from '../model/model.js'
import { decodeSum } from '../model/scalars.js'
import type { ShardNames } from '../redis/keys.js'
import type { ParkedEntry } from '../redis/replies.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import type { Store } from '../redis/store.js'

export interface InspectorContext {
  readonly model: Model
  readonly store: Store
  readonly connection: RetryingConnection
  readonly shards: ShardNames
}

/** Reads the changes of a record that are not in the database yet. */
export class Inspector {
  readonly #context: InspectorContext
  readonly #fields: readonly Field[]
  readonly #changes: ChangeReader

  constructor(context: InspectorContext) {
    this.#context = context
    this.#fields = plainFields(context.model)
    this.#changes = new ChangeReader(context.model)
  }

  async isPersisted(shard: number, key: string): Promise<boolean> {
    const { store, shards } = this.#context
    return (await this.#ask(() => store.due(shards.prefix(shard), key))) === undefined
  }

  /**
   * @throws ConfigurationError when the change names a field that the model does not have any more
   * @throws PersistError when the change cannot be read
   */
  async pending(shard: number, key: string): Promise<PendingRecord<Model> | null> {
    const { store, shards } = this.#context
    const { claimed, pending, parked, isUnreadable } = await this.#ask(() => store.pending(shards.prefix(shard), key))
    if (isUnreadable) throw unreadableError(this.#context.model.name, key)
    const next = pending.length === 0 ? undefined : this.#describe(parked === undefined ? 'pending' : 'parked', pending, parked)
    if (claimed.length === 0) return next ?? null
    const { reason: _, attempts: __, ...written } = next === undefined ? {} : { ...next, state: 'pending' as const }
    return { ...this.#describe('claimed', claimed, parked), ...(next === undefined ? {} : { next: written as PendingRecord<Model> }) }
  }

  #describe(state: PendingRecord<Model>['state'], content: readonly string[], parked: ParkedEntry | undefined): PendingRecord<Model> {
    const { change, since } = this.#read(content)
    const refusal = parked === undefined ? {} : { reason: parked.reason, attempts: parked.attempts }
    return { state, since: new Date(since), ...refusal, kind: change.kind, ...this.#values(change) }
  }

  #values({ kind, insert, pattern, values }: RecordChange): Omit<PendingRecord<Model>, 'state' | 'since' | 'kind'> {
    const inserted: Record<string, unknown> = {}
    const changes = { value: {}, amount: {}, lower: {}, upper: {} } as Record<Operand, Record<string, unknown>>
    let next = 0
    for (const [n, field] of this.#fields.entries()) {
      if (insert.length > 0) inserted[field.name] = decode(field, insert[n] as string)
      for (const operand of operandsOf((pattern[n] ?? '.') as Mark, field)) {
        const text = values[next++] as string
        if (operand !== 'amount') changes[operand][field.name] = decode(field, text)
        else if (text !== '0' || pattern[n] === '+') changes.amount[field.name] = decodeSum(text)
      }
    }
    const { value: set, amount: increment, lower: max, upper: min } = changes
    return {
      ...(kind === 'upsert' || kind === 'insert' || kind === 'replace' ? { insert: inserted } : {}),
      set,
      increment,
      max,
      min,
    } as never
  }

  #read(content: readonly string[]): { change: RecordChange; since: number } {
    try {
      return this.#changes.readContent(content)
    } catch (error) {
      if (!(error instanceof UnknownFieldError)) throw error
      throw new ConfigurationError(`${this.#context.model.name}: ${error.message}`, { model: this.#context.model.name, cause: error })
    }
  }

  #ask<T>(send: () => Promise<T>): Promise<T> {
    return this.#context.connection.ask(this.#context.model.name, send)
  }
}
