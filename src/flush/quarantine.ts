import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { BatchHead, Database } from '../database/postgresql/database.js'
import { PersistError } from '../errors.js'
import type { Events } from '../events.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch, ParkedEntry } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import { changeSizes } from '../redis/unpack.js'
import { memoryBudget } from './memory-budget.js'
import type { Semaphore } from './semaphore.js'

/** Claims of a batch whose outcome nobody told: so many workers may have died of it. */
const MAX_TRIES = 3
/** Ms in which a worker that lives finishes the batch, or says that it failed. */
const PAUSE = 5000
const LOOK = 250
const DEADLY = 'workers died while they had this record'
/** A deadly record is tried again by itself until it was parked so often: those who killed the workers may have been others. */
const MAX_DEADLY = 1

interface QuarantineContext {
  readonly model: Model
  readonly shards: ShardNames
  readonly store: Store
  readonly database: Pick<Database, 'void'>
  readonly events: Events
  readonly limits: { readonly statements: Semaphore }
}

/** What becomes of a batch that was not decoded. */
interface Outcomes {
  /** It was in the database before. */
  acknowledge(ledger: string): Promise<unknown>
  /** It is void, and has one record. */
  refuse(): Promise<void>
}

/** Finds batches that end the process that decodes them. They are made void and divided unseen, down to one record, which is parked. */
export class Quarantine {
  readonly #context: QuarantineContext

  constructor(context: QuarantineContext) {
    this.#context = context
  }

  /** @returns why the batch must not be decoded; `undefined`: it can be; `gone`: another worker has ended it */
  async inspect(shard: number, batch: Batch): Promise<PersistError | 'gone' | undefined> {
    const { name: model } = this.#context.model
    const fate = batch.tries > MAX_TRIES ? await this.#watch(shard, batch) : 'told'
    if (fate === 'gone') return fate
    if (fate === 'abandoned') return new PersistError('REFUSED', `${model}: ${DEADLY}`, undefined, { model })
    return memoryBudget.refusal(model, batch.packed.changes.length)
  }

  /** Makes the batch void in the ledger first: one of those that had it may only be paused. */
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

  /** What weighs more than all others together waits alone, and is known. */
  async #divide(shard: number, batch: Batch, reason: string): Promise<void> {
    const { store, shards } = this.#context
    const heavy = heaviest(batch)
    if (heavy === undefined) await store.split(shards.prefix(shard), batch.id, randomUUID())
    else await store.split(shards.prefix(shard), batch.id, randomUUID(), [heavy], [reason])
  }

  /** Other workers may have the batch now, and be alive: one that fails tells it, one that does not ends the batch. */
  async #watch(shard: number, { id, tries }: Batch): Promise<'abandoned' | 'told' | 'gone'> {
    const { store, shards } = this.#context
    for (let waited = 0; waited < PAUSE; waited += LOOK) {
      await setTimeout(LOOK)
      const now = await store.inFlight(shards.prefix(shard))
      if (now?.id !== id) return 'gone'
      if (now.tries < tries) return 'told'
    }
    return 'abandoned'
  }
}

/** Whether a parked record is one that is not tried again before somebody asks for it by its key. */
export function isDeadly({ reason, attempts }: ParkedEntry): boolean {
  return reason.includes(DEADLY) && attempts > MAX_DEADLY
}

/** Position of the record that has more than half of the bytes. */
function heaviest({ packed }: Batch): number | undefined {
  const sizes = changeSizes(packed)
  const position = sizes.findIndex((size) => size > packed.changes.length / 2)
  return position < 0 ? undefined : position
}
