/** Sends batches to the database. */
import { setImmediate } from 'node:timers/promises'
import type { BatchHead, Database, PersistOutcome, Prepared } from '../database/database.js'
import { wasCancelled } from '../database/outcome.js'
import { PersistError } from '../errors.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch } from '../redis/replies.js'
import type { BatchSize } from './batch-size.js'
import { type BatchDecoder, toDecodeError } from './decoder.js'
import type { PoisonDetector } from './poison-detector.js'
import { Semaphore } from './semaphore.js'

/** A decoded batch. It contains only what persist needs, because it may wait for its turn and takes memory meanwhile. */
export interface ClaimedBatch extends BatchHead {
  readonly writes: number
  readonly size: number
  readonly statement: Prepared
  readonly since: readonly number[]
}

export interface Answer {
  readonly claimed: ClaimedBatch
  readonly result: PersistOutcome
  /** Ms that the database took. */
  readonly statement: number
}

export interface PersisterContext {
  readonly model: Model
  readonly shards: ShardNames
  readonly database: Pick<Database, 'ready' | 'prepare' | 'persist' | 'probe'>
  /** Shared by the whole process. */
  readonly statements: Semaphore
  readonly decoder: Pick<BatchDecoder, 'decode'>
  readonly size: Pick<BatchSize, 'adapt'>
  readonly poison: Pick<PoisonDetector, 'isSuspect' | 'verdict' | 'noteFailure'>
}

/** Decodes a batch, sends its statement, and tells an outage from a batch that is refused. */
export class Persister {
  readonly #context: PersisterContext
  readonly #decoding = new Semaphore(1)

  constructor(context: PersisterContext) {
    this.#context = context
  }

  /**
   * @returns the answer, or the error if the batch is refused
   * @throws PersistError on an outage, or when the tables do not fit the schema
   */
  async send(shard: number, batch: Batch, head: BatchHead): Promise<Answer | PersistError> {
    const { statements, poison } = this.#context
    for (;;) {
      const claimed = await this.#decoding.run(() => this.#decodeInTurn(batch, head)).catch(persistErrorOf)
      if (claimed instanceof PersistError) return claimed
      const isSuspect = poison.isSuspect(shard, batch.id)
      if (isSuspect) {
        await this.#probe(claimed)
        const verdict = poison.verdict(shard, batch.id)
        if (verdict !== undefined) return verdict
      }
      const answer = await statements.run(() => this.#persist(shard, claimed)).catch(persistErrorOf)
      if (!(answer instanceof PersistError) || isRefusal(answer, batch)) return answer
      if (poison.noteFailure(shard, batch.id, answer, isSuspect)) return answer
      if (isSuspect || !poison.isSuspect(shard, batch.id)) throw answer
    }
  }

  /** @throws PersistError if the database does not carry out other statements either */
  async #probe({ statement }: ClaimedBatch): Promise<void> {
    const { database, statements } = this.#context
    const trouble = await statements.run(() => database.probe(statement))
    if (trouble !== undefined) throw trouble
  }

  async #persist(shard: number, claimed: ClaimedBatch): Promise<Answer> {
    const { database, shards, size } = this.#context
    const started = performance.now()
    try {
      const result = await database.persist(shards.ledger(shard), claimed, claimed.statement)
      return { claimed, result, statement: performance.now() - started }
    } finally {
      size.adapt(claimed.size, performance.now() - started)
    }
  }

  /** Decodes only one batch in each turn of the event loop, because Redis often answers the claims of several shards together. */
  async #decodeInTurn(batch: Batch, head: BatchHead): Promise<ClaimedBatch> {
    await setImmediate()
    await this.#context.database.ready()
    return this.#decode(batch, head)
  }

  #decode(batch: Batch, { id, previous }: BatchHead): ClaimedBatch {
    const { decoder, database, model } = this.#context
    try {
      const { changes, since } = decoder.decode(batch.packed)
      const statement = database.prepare(changes)
      return { id, previous, writes: batch.writes, size: batch.size, statement, since }
    } catch (error) {
      throw toDecodeError(model.name, error)
    }
  }
}

function persistErrorOf(error: unknown): PersistError {
  if (error instanceof PersistError) return error
  throw error
}

/**
 * Whether the batch counts as refused. If the server stops a batch of several records because it takes too long, it counts as refused, because its
 * parts may succeed.
 */
function isRefusal(error: PersistError, { size }: Batch): boolean {
  return error.code === 'REFUSED' || (wasCancelled(error) && size > 1)
}
