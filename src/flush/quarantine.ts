/** Keeps workers from decoding a batch that ends the process. */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { BatchHead, Database } from '../database/database.js'
import { PersistError } from '../errors.js'
import type { Events } from '../events.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch, ParkedEntry } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import { changeSizes } from '../redis/unpack.js'
import { memoryBudget } from './memory-budget.js'
import type { Semaphore } from './semaphore.js'

/** The highest number of claims of a batch without an outcome. Each of them may be a worker that died of the batch. */
const MAX_TRIES = 3
/** Ms in which a worker that is alive finishes the batch, or reports that it failed. */
const PATIENCE = 5000
/** Ms between two looks at the batch meanwhile. */
const INTERVAL = 250
/** This text is in the entries of parked records in Redis. Do not change it, because workers of another release would not recognise a new text. */
const DEADLY = 'workers died while they had this record'
/** How often a deadly record is parked and still retried by the library, because somebody else may have killed the workers. */
const MAX_DEADLY = 1

interface QuarantineContext {
  readonly model: Pick<Model, 'name'>
  readonly shards: ShardNames
  readonly store: Pick<Store, 'inFlight' | 'isInFlight' | 'split'>
  readonly database: Pick<Database, 'void'>
  readonly events: Pick<Events, 'emit'>
  readonly limits: { readonly statements: Semaphore }
}

/** What becomes of a batch that was not decoded. */
interface Outcomes {
  /** The batch is in the database already. */
  acknowledge(ledger: string): Promise<unknown>
  /** The batch is void, and has one record. */
  refuse(): Promise<void>
}

/**
 * Finds batches that end the process which decodes them: workers died of them, or they do not fit into memory. Such a batch is made void
 * and divided without being decoded, down to a single record, which is parked.
 */
export class Quarantine {
  readonly #context: QuarantineContext

  constructor(context: QuarantineContext) {
    this.#context = context
  }

  /** @returns why the batch must not be decoded; `undefined` if it can be decoded; `gone` if another worker has ended it */
  async check(shard: number, batch: Batch): Promise<PersistError | 'gone' | undefined> {
    const { name: model } = this.#context.model
    const fate = batch.tries > MAX_TRIES ? await this.#watch(shard, batch) : 'reported'
    if (fate === 'gone') return fate
    if (fate === 'abandoned') return new PersistError('REFUSED', `${model}: ${DEADLY}`, undefined, { model })
    return memoryBudget.refusal(model, batch.packed.changes.length)
  }

  /** Makes the batch void in the ledger first, because a worker that had the batch may only be paused. */
  async settle(shard: number, batch: Batch, refusal: PersistError, { acknowledge, refuse }: Outcomes): Promise<void> {
    const { database, store, limits, shards, model, events } = this.#context
    let head: BatchHead = batch
    for (;;) {
      const voided = await limits.statements.run(() => database.void(shards.ledger(shard), head))
      if (voided.outcome === 'applied before') return void (await acknowledge(voided.ledger))
      if (voided.outcome === 'void') return await (batch.size === 1 ? refuse() : this.#divide(shard, batch, refusal.message))
      if (!(await store.isInFlight(shards.prefix(shard), batch.id))) return
      events.emit('adopted', { model: model.name, shard, batch: batch.id, ledger: voided.ledger })
      head = { id: batch.id, previous: voided.ledger }
    }
  }

  /** Halves the batch. A record with more than half of its bytes is set apart instead, and its refusal is known at once. */
  async #divide(shard: number, batch: Batch, reason: string): Promise<void> {
    const { store, shards } = this.#context
    const heavy = heaviest(batch)
    if (heavy === undefined) await store.split(shards.prefix(shard), batch.id, randomUUID())
    else await store.split(shards.prefix(shard), batch.id, randomUUID(), [heavy], [reason])
  }

  /** Waits for other workers that may have the batch now. A live one ends the batch, or reports that its attempt failed. */
  async #watch(shard: number, { id, tries }: Batch): Promise<'abandoned' | 'reported' | 'gone'> {
    const { store, shards } = this.#context
    for (let waited = 0; waited < PATIENCE; waited += INTERVAL) {
      await setTimeout(INTERVAL)
      const now = await store.inFlight(shards.prefix(shard))
      if (now?.id !== id) return 'gone'
      if (now.tries < tries) return 'reported'
    }
    return 'abandoned'
  }
}

/** Whether workers have died of a parked record again. It is not retried any more, unless somebody asks for it by its key or writes it. */
export function isDeadly({ reason, attempts }: ParkedEntry): boolean {
  return reason.includes(DEADLY) && attempts > MAX_DEADLY
}

/** The position of the record that has more than half of the bytes, if there is one. */
function heaviest({ packed }: Batch): number | undefined {
  const sizes = changeSizes(packed)
  const position = sizes.findIndex((size) => size > packed.changes.length / 2)
  return position < 0 ? undefined : position
}
