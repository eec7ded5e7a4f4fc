import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { BatchHead, Database, PersistOutcome } from '../database/database.js'
import { CARDINALITY_VIOLATION, MOST_COLLISIONS, QUERY_CANCELED } from '../database/failure.js'
import type { Statement } from '../database/statement.js'
import { PersistError, TimeoutError } from '../errors.js'
import type { Events } from '../events.js'
import type { ResolvedPolicy } from '../options.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch, ClaimTarget } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import type { Model } from '../schema/model.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { BatchSize } from './batch-size.js'
import { burden } from './burden.js'
import { BatchDecoder, toDecodeError } from './decoder.js'
import { Limit } from './limit.js'
import { Quarantine } from './quarantine.js'
import { emptyReport, type FlushReport } from './report.js'

/** This worker cannot read a batch, as it knows less of the model, or the database cannot any more. */
const NOT_OURS = 'another worker has brought the batch into the database, and is to acknowledge it'

/** Of the whole process: how many are under way at a time. */
export interface FlushLimits {
  readonly claims: Limit
  readonly statements: Limit
}

export interface FlusherContext {
  readonly model: Model
  readonly policy: ResolvedPolicy
  readonly shards: ShardNames
  readonly store: Store
  readonly database: Database
  readonly events: Events
  readonly limits: FlushLimits
  readonly telemetry?: Telemetry | undefined
}

/** A batch decoded: what persist needs, and no more, since it may wait for its turn. */
interface ClaimedBatch extends BatchHead {
  readonly writes: number
  readonly size: number
  readonly statement: Statement
  readonly since: readonly number[]
}

/**
 * claim → persist → acknowledge, until nothing of the target is left. Several flushers may work on one shard: they get the same batch,
 * and the ledger lets it be applied once. A flusher that was stopped anywhere leaves a batch in flight, which the next one finishes.
 */
export class Flusher {
  readonly #context: FlusherContext
  readonly #decoder: BatchDecoder
  readonly #turns: readonly Limit[]
  readonly #size: BatchSize
  readonly #decoding = new Limit(1)
  readonly #quarantine: Quarantine

  constructor(context: FlusherContext) {
    this.#context = context
    this.#turns = Array.from({ length: context.shards.count }, () => new Limit(1))
    this.#decoder = new BatchDecoder(context.model)
    this.#size = new BatchSize(context.policy.batchSize)
    this.#quarantine = new Quarantine(context)
  }

  /**
   * @param mostBatches ends the flush early; the report then says when the rest is due
   * @param deadline of performance.now(): nothing is claimed after it
   * @throws PersistError on an outage, or when the tables do not fit the schema; the batch stays in flight
   * @throws TimeoutError when its turn came after the deadline
   */
  flush(
    shard: number,
    target: ClaimTarget,
    mostBatches = Number.POSITIVE_INFINITY,
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<FlushReport> {
    // In turn within this process: at the same time they would send the same batch.
    return (this.#turns[shard] as Limit).run(() => this.#flush(shard, target, mostBatches, deadline))
  }

  async #flush(shard: number, target: ClaimTarget, mostBatches: number, deadline: number): Promise<FlushReport> {
    const { store, policy, shards, limits } = this.#context
    const report = emptyReport()
    for (let batches = 0; batches < mostBatches && !report.complete; batches++) {
      const newId = randomUUID()
      const claim = await limits.claims.run(() => {
        if (performance.now() > deadline) throw new TimeoutError('flush: its turn came after the timeout')
        return store.claim(shards.prefix(shard), newId, this.#size.limits, target, policy.debounce)
      })
      if (claim.batch === undefined) {
        report.complete = !claim.isMore
        report.wait = claim.wait
        report.putOff += claim.putOff
        continue
      }
      // At once, unless an acknowledgement says otherwise.
      report.wait = 0
      await this.#attempt(shard, claim.batch, report)
      // A batch that was in flight before does not hold what was written since.
      if ('key' in target && claim.batch.id.startsWith(newId)) break
      report.complete = isOver(target, report.wait)
    }
    return report
  }

  /** A batch that kills workers, or is too heavy for this one, is not decoded. That an attempt failed is an outcome, too. */
  async #attempt(shard: number, batch: Batch, report: FlushReport): Promise<void> {
    const { store, shards } = this.#context
    try {
      const refusal = await this.#quarantine.inspect(shard, batch)
      if (refusal === undefined) await burden.carry(batch.packed.changes.length, () => this.#observe(shard, batch, report))
      else if (refusal !== 'gone')
        await this.#quarantine.settle(shard, batch, refusal, {
          acknowledge: (ledger) => this.#acknowledge(shard, { ...batch, since: [] }, ledger, batch.size, 0, report),
          refuse: () => this.#refuse(shard, batch, refusal, report),
        })
    } catch (error) {
      await store.forgive(shards.prefix(shard), batch.id).catch(() => {})
      throw error
    }
  }

  /** Settles the batch in a span, if spans are recorded. */
  async #observe(shard: number, batch: Batch, report: FlushReport): Promise<void> {
    const { telemetry, model } = this.#context
    if (telemetry === undefined) return this.#settle(shard, batch, report)
    const rows = report.rows
    const parked = report.parked.size
    await telemetry.flush({ ...batch, model: model.name, shard, batch: batch.id, records: batch.size }, async () => {
      await this.#settle(shard, batch, report)
      return { rows: report.rows - rows, parked: report.parked.size - parked }
    })
  }

  async #settle(shard: number, batch: Batch, report: FlushReport): Promise<void> {
    const { database, store, limits, shards, model, events } = this.#context
    let head: BatchHead = batch
    for (let collisions = 1; ; collisions++) {
      let ledger: string | null
      try {
        const claimed = await this.#decoding.run(() => this.#decodeInTurn(batch, head))
        const { result, statement } = await limits.statements.run(() => this.#persist(shard, claimed))
        if (result.outcome === 'applied') return await this.#acknowledge(shard, claimed, batch.id, result.rows, statement, report)
        if (result.outcome === 'applied before')
          return await this.#acknowledge(shard, claimed, result.ledger, claimed.size, statement, report)
        if (result.outcome === 'void')
          return await this.#refuse(shard, batch, new PersistError('REFUSED', 'refused before', undefined), report)
        ledger = result.ledger
      } catch (error) {
        if (!(error instanceof PersistError) || !isRefusal(error, batch)) throw error
        if (error.databaseCode === CARDINALITY_VIOLATION && collisions < MOST_COLLISIONS) continue
        const voided = await limits.statements.run(() => database.void(shards.ledger(shard), head))
        if (voided.outcome === 'void') return await this.#refuse(shard, batch, error, report)
        if (voided.outcome === 'applied before') throw new PersistError('OUTAGE', `${model.name}: ${NOT_OURS}`, undefined)
        ledger = voided.ledger
      }
      // The ledger is where the batch does not follow: a later flusher has moved on, or Redis has forgotten something.
      if (!(await store.isInFlight(shards.prefix(shard), batch.id))) return
      events.emit('adopted', { model: model.name, shard, batch: batch.id, ledger })
      head = { id: batch.id, previous: ledger }
    }
  }

  /** `statement`: ms that the database took. */
  async #persist(shard: number, batch: ClaimedBatch): Promise<{ result: PersistOutcome; statement: number }> {
    const { database, shards } = this.#context
    const started = performance.now()
    try {
      const result = await database.persist(shards.ledger(shard), batch, batch.statement)
      return { result, statement: performance.now() - started }
    } finally {
      this.#size.adapt(batch.size, performance.now() - started)
    }
  }

  async #acknowledge(
    shard: number,
    batch: Omit<ClaimedBatch, 'statement'>,
    ledger: string,
    rows: number,
    statement: number,
    report: FlushReport,
  ): Promise<void> {
    const { store, policy, shards, model, events } = this.#context
    const ttl = { view: policy.viewTtl, missing: policy.missingTtl }
    const reply = await store.acknowledge(shards.prefix(shard), batch.id, ledger, randomUUID(), ttl, rows, policy.jobs === 'record')
    if (reply === undefined) return
    const lags = batch.since.map((since) => Math.max(0, reply.now - since))
    report.batches++
    report.records += batch.size
    report.rows += rows
    report.writes += batch.writes
    report.statement += statement
    report.oldest = lags.reduce((most, lag) => Math.max(most, lag), report.oldest)
    report.wait = reply.wait
    for (const { key, wait } of reply.stillDirty) report.stillDirty.set(key, wait)
    events.emit('flushed', {
      model: model.name,
      shard,
      batch: batch.id,
      records: batch.size,
      rows,
      writes: batch.writes,
      statement,
      lags,
    })
    for (const key of reply.unparked) events.emit('unparked', { model: model.name, shard, key })
  }

  /** Splits a batch that the ledger has void, or parks its one record. */
  async #refuse(shard: number, batch: Batch, error: PersistError, report: FlushReport): Promise<void> {
    const { store, shards, model, events } = this.#context
    if (batch.size > 1) return store.split(shards.prefix(shard), batch.id, randomUUID())
    const parked = (await store.park(shards.prefix(shard), batch.id, [error.message], randomUUID())) ?? []
    for (const { key, attempts } of parked) {
      report.parked.set(key, error)
      events.emit('parked', { model: model.name, shard, key, attempts, reason: error.message })
    }
  }

  /** One batch a turn of the event loop: the claims of several shards are often answered together. */
  async #decodeInTurn(batch: Batch, head: BatchHead): Promise<ClaimedBatch> {
    await setImmediate()
    await this.#context.database.ready()
    return this.#decode(batch, head)
  }

  #decode(batch: Batch, { id, previous }: BatchHead): ClaimedBatch {
    try {
      const { changes, since } = this.#decoder.decode(batch.packed)
      const statement = this.#context.database.prepare(changes)
      return { id, previous, writes: batch.writes, size: batch.size, statement, since }
    } catch (error) {
      throw toDecodeError(this.#context.model.name, error)
    }
  }
}

/** Whether another claim would find nothing, by what an acknowledgement said of the shard: mostly so, which spares a call to Redis. */
function isOver(target: ClaimTarget, wait: number | undefined): boolean {
  return wait === undefined || ('due' in target && wait > 0)
}

/** A statement that the server stops for the time it takes can come through in parts. */
function isRefusal({ code, databaseCode }: PersistError, { size }: Batch): boolean {
  return code === 'REFUSED' || (databaseCode === QUERY_CANCELED && size > 1)
}
