import { randomUUID } from 'node:crypto'
import { CARDINALITY_VIOLATION, mayConcernAll, NO_ANSWER, QUERY_CANCELED, toRefusal } from '../database/failure.js'
import type { Database } from '../database/postgresql/database.js'
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

/** The driver does not name every constraint; a trial does. Of one reason there must be one text, or those that it refuses do not heal together. */
const MAY_LACK_NAME = /^23/

/** Records that are parked for what may be all records' failure, if others wait behind them: of many it is likely to be all records'. */
const FEW = 10

/** Why records of a batch are refused, by their position in it. */
export type Findings = ReadonlyMap<number, PersistError>

export interface RefusalHandlerContext {
  readonly model: Model
  readonly shards: ShardNames
  readonly store: Store
  readonly database: Database
  /** Of the whole process. */
  readonly statements: Semaphore
  readonly events: Events
  readonly decoder: BatchDecoder
  readonly poison: PoisonDetector
}

/**
 * What becomes of a batch that the database refuses: its refused records are found by a trial, set apart, and parked together. Where no trial can be
 * had, the batch is halved until its records stand alone. Either way a batch only ever becomes smaller.
 */
export class RefusalHandler {
  readonly #context: RefusalHandlerContext

  constructor(context: RefusalHandlerContext) {
    this.#context = context
  }

  /**
   * Looks for the refused records, and changes nothing.
   * @param error what the database said of the batch
   * @throws PersistError the same error, if it seems to be all records'
   */
  async examine(shard: number, batch: Batch, error: PersistError): Promise<Findings> {
    const { poison } = this.#context
    const isSingle = batch.size === 1
    const isKnown = isSingle && (error.databaseCode ?? error.key) !== undefined && !MAY_LACK_NAME.test(error.databaseCode ?? '')
    // A trial of what takes the database down takes it down once more, and nothing can be made void then.
    const isDeadly = poison.isSure(shard, batch.id) !== undefined && !mayConcernAll(error)
    const isTried = !(takesTooLong(error) || isKnown || isDeadly)
    const findings = isTried ? await this.#try(batch, error) : new Map<number, PersistError>()
    if (findings.size > 0 && findings.size < batch.size) poison.passed()
    if (isSingle && findings.size === 0) findings.set(0, toRefusal(error))
    const isOpen = findings.size === batch.size && mayConcernAll(error) && !poison.havePassedSince(shard, error)
    if (isOpen && !(await this.#holdsUpOthers(shard, batch))) throw error
    return findings
  }

  /** Where others never get their turn, nobody learns whether the failure is theirs, too. What was parked before only goes back. */
  async #holdsUpOthers(shard: number, batch: Batch): Promise<boolean> {
    const { store, shards, poison } = this.#context
    const prefix = shards.prefix(shard)
    const keys = unpackTexts(batch.packed.keys)
    if (await store.isParked(prefix, keys[0] as string)) return true
    return keys.length <= FEW && poison.isSure(shard, batch.id) !== undefined && (await store.doOthersWait(prefix, keys))
  }

  /** Parks the records of a batch that the ledger has void, if all are refused, or divides it. */
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

  /** Empty if nothing was found out. */
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
        // The key may be another model's: that of the same name, before a deployment.
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

/** What is known of a group that was set apart. */
export function knownFindings(reasons: readonly string[], model: string): Findings {
  return new Map(reasons.map((reason, n) => [n, new PersistError('REFUSED', reason, undefined, { model })]))
}

/** Whether what the trial found is why the batch was refused: else it may be an outage, or somebody else's row. */
function isMeant(found: PersistError, { databaseCode }: PersistError): boolean {
  return (found.code === 'REFUSED' && found.databaseCode !== CARDINALITY_VIOLATION) || found.databaseCode === databaseCode
}

/** A trial would take as long. */
function takesTooLong({ databaseCode }: PersistError): boolean {
  return databaseCode === QUERY_CANCELED || databaseCode === NO_ANSWER
}
