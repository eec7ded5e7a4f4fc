import { setImmediate } from 'node:timers/promises'
import { QUERY_CANCELED } from '../database/failure.js'
import type { BatchHead, Database, PersistOutcome } from '../database/postgresql/database.js'
import type { Statement } from '../database/postgresql/statement.js'
import { PersistError } from '../errors.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch } from '../redis/replies.js'
import type { BatchSize } from './batch-size.js'
import { type BatchDecoder, toDecodeError } from './decoder.js'
import type { PoisonDetector } from './poison-detector.js'
import { Semaphore } from './semaphore.js'

/** A batch decoded: what persist needs, and no more, since it may wait for its turn. */
export interface ClaimedBatch extends BatchHead {
  readonly writes: number
  readonly size: number
  readonly statement: Statement
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
  readonly database: Database
  /** Of the whole process. */
  readonly statements: Semaphore
  readonly decoder: BatchDecoder
  readonly size: BatchSize
  readonly poison: PoisonDetector
}

/** Sends a batch to the database, and tells an outage from a batch that is refused. */
export class Persister {
  readonly #context: PersisterContext
  readonly #decoding = new Semaphore(1)

  constructor(context: PersisterContext) {
    this.#context = context
  }

  /**
   * @returns an error if the batch is refused
   * @throws PersistError of an outage, or of a schema that does not fit
   */
  async send(shard: number, batch: Batch, head: BatchHead): Promise<Answer | PersistError> {
    const { statements, poison } = this.#context
    for (;;) {
      const claimed = await this.#decoding.run(() => this.#decodeInTurn(batch, head)).catch(persistErrorOf)
      if (claimed instanceof PersistError) return claimed
      const isSuspect = poison.isOf(shard, batch.id)
      if (isSuspect) {
        await this.#prove(claimed)
        const known = poison.isSure(shard, batch.id)
        if (known !== undefined) return known
      }
      const answer = await statements.run(() => this.#persist(shard, claimed)).catch(persistErrorOf)
      if (!(answer instanceof PersistError) || isRefusal(answer, batch)) return answer
      if (poison.note(shard, batch.id, answer, isSuspect)) return answer
      if (isSuspect || !poison.isOf(shard, batch.id)) throw answer
    }
  }

  /** @throws PersistError if the database does not carry out other statements either */
  async #prove({ statement }: ClaimedBatch): Promise<void> {
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

  /** One batch a turn of the event loop: the claims of several shards are often answered together. */
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

/** A statement that the server stops for the time it takes can come through in parts. */
function isRefusal({ code, databaseCode }: PersistError, { size }: Batch): boolean {
  return code === 'REFUSED' || (databaseCode === QUERY_CANCELED && size > 1)
}
