/** Decides what becomes of a batch that the database refuses. */
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/database.js'
import { hasCollided, mayConcernAll, mayLackConstraint, tookTooLong, toRefusal } from '../database/outcome.js'
import { PersistError } from '../errors.js'
import type { Events } from '../events.js'
import type { Model } from '../model/model.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import { UnreadableChangeError, unpackTexts } from '../redis/unpack.js'
import type { BatchDecoder, EachDecoded } from './decoder.js'
import type { PoisonDetector } from './poison-detector.js'
import type { FlushReport } from './report.js'
import type { Semaphore } from './semaphore.js'

/**
 * The highest number of records in a batch that is parked for a failure which may concern all records, if others wait behind it. If a larger batch
 * fails, the failure probably concerns all records.
 */
const MAX_PARKED_ON_DOUBT = 10

/** The refused records of a batch: why each is refused, by its position in the batch. */
export type Findings = ReadonlyMap<number, PersistError>

export interface RefusalHandlerContext {
  readonly model: Model
  readonly shards: ShardNames
  readonly store: Pick<Store, 'split' | 'park' | 'isParked' | 'doOthersWait'>
  readonly database: Pick<Database, 'prepare' | 'trial'>
  /** Shared by the whole process. */
  readonly statements: Semaphore
  readonly events: Pick<Events, 'emit'>
  readonly decoder: Pick<BatchDecoder, 'decodeEach'>
  readonly poison: Pick<PoisonDetector, 'verdict' | 'noteSuccess' | 'hasSucceededSince'>
}

/**
 * Finds the refused records of a batch by a trial, sets them apart, and parks them together. If no trial is possible, it halves the batch until each
 * record is alone. Either way a batch only becomes smaller. See the states *refused*, *divided* and *parked* in flusher.ts.
 */
export class RefusalHandler {
  readonly #context: RefusalHandlerContext

  constructor(context: RefusalHandlerContext) {
    this.#context = context
  }

  /**
   * Looks for the refused records, and changes nothing.
   * @param error the error of the database for the batch
   * @throws PersistError the same error, if it seems to concern all records
   */
  async examine(shard: number, batch: Batch, error: PersistError): Promise<Findings> {
    const { poison } = this.#context
    const isSingle = batch.size === 1
    // A trial names the constraint. One reason must have one text, because records with the same text are retried together.
    const isKnown = isSingle && (error.databaseCode ?? error.key) !== undefined && !mayLackConstraint(error)
    // The batch makes the database crash. So would a trial, and then nothing could be made void.
    const isFatal = poison.verdict(shard, batch.id) !== undefined && !mayConcernAll(error)
    const isTried = !(tookTooLong(error) || isKnown || isFatal)
    const findings = isTried ? await this.#try(batch, error) : new Map<number, PersistError>()
    if (findings.size > 0 && findings.size < batch.size) poison.noteSuccess()
    if (isSingle && findings.size === 0) findings.set(0, toRefusal(error))
    const isInDoubt = findings.size === batch.size && mayConcernAll(error) && !poison.hasSucceededSince(shard, error)
    if (isInDoubt && !(await this.#mayParkOnDoubt(shard, batch))) throw error
    return findings
  }

  /**
   * Whether the batch may be parked although its failure may concern all records. Records that were parked before may be parked again. A small batch
   * is parked if other records wait behind it, because only then does the library learn whether the failure concerns the others, too.
   */
  async #mayParkOnDoubt(shard: number, batch: Batch): Promise<boolean> {
    const { store, shards, poison } = this.#context
    const prefix = shards.prefix(shard)
    const keys = unpackTexts(batch.packed.keys)
    if (await store.isParked(prefix, keys[0] as string)) return true
    return keys.length <= MAX_PARKED_ON_DOUBT && poison.verdict(shard, batch.id) !== undefined && (await store.doOthersWait(prefix, keys))
  }

  /** Parks the records of a batch that is void in the ledger, if all of them are refused; else divides the batch. */
  async carryOut(shard: number, batch: Batch, findings: Findings, report: FlushReport): Promise<void> {
    const { store, shards, model, events } = this.#context
    const prefix = shards.prefix(shard)
    const refused = [...findings].sort(([a], [b]) => a - b)
    const errors = refused.map(([, error]) => error)
    const reasons = errors.map(({ message }) => message)
    if (refused.length < batch.size) {
      const positions = refused.map(([position]) => position)
      return store.split(prefix, batch.id, randomUUID(), positions, reasons)
    }
    const parked = (await store.park(prefix, batch.id, reasons, randomUUID())) ?? []
    for (const [n, { key, attempts }] of parked.entries()) {
      const error = errors[n] as PersistError
      report.parked.set(key, error)
      if (attempts === 1) addTo(report.newlyParked, error.message, key)
      events.emit('parked', { model: model.name, shard, key, attempts, reason: error.message })
    }
  }

  /** The findings of a trial; empty if it found nothing. */
  async #try(batch: Batch, error: PersistError): Promise<Map<number, PersistError>> {
    const { database, statements } = this.#context
    const { changes, positions, refused } = this.#decodeEach(batch, error)
    const findings = new Map<number, PersistError>(refused)
    const tried = changes.length === 0 ? undefined : await statements.run(() => database.trial(changes))
    for (const [n, found] of tried ?? []) if (isMeant(found, error)) findings.set(positions[n] as number, toRefusal(found))
    return findings
  }

  #decodeEach(batch: Batch, error: PersistError): EachDecoded {
    const { database, decoder } = this.#context
    try {
      return decoder.decodeEach(batch.packed, (change) => {
        // The key may not fit the model, because a deployment has changed the model meanwhile.
        if (error.key !== undefined) database.prepare([change])
      })
    } catch (failure) {
      if (failure instanceof UnreadableChangeError) return { changes: [], positions: [], refused: new Map() }
      throw failure
    }
  }
}

function addTo(lists: Map<string, string[]>, name: string, key: string): void {
  const list = lists.get(name)
  if (list === undefined) lists.set(name, [key])
  else list.push(key)
}

/** The findings for a part of a divided batch that was set apart with its reasons. */
export function knownFindings(reasons: readonly string[], model: string): Findings {
  return new Map(reasons.map((reason, n) => [n, new PersistError('REFUSED', reason, undefined, { model })]))
}

/**
 * Whether the trial found the reason for which the batch was refused. Anything else may be an outage, or a row that somebody else inserted.
 */
function isMeant(found: PersistError, { databaseCode }: PersistError): boolean {
  return (found.code === 'REFUSED' && !hasCollided(found)) || found.databaseCode === databaseCode
}
