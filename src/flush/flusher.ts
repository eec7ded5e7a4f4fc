import { randomUUID } from 'node:crypto'
import { CARDINALITY_VIOLATION, MAX_COLLISIONS } from '../database/failure.js'
import type { BatchHead, Database } from '../database/postgresql/database.js'
import { PersistError, TimeoutError } from '../errors.js'
import type { Events } from '../events.js'
import type { Model } from '../model/model.js'
import type { ResolvedPolicy } from '../options.js'
import type { ShardNames } from '../redis/keys.js'
import type { Batch, ClaimTarget } from '../redis/replies.js'
import type { Store } from '../redis/store.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { BatchSize } from './batch-size.js'
import { BatchDecoder } from './decoder.js'
import { memoryBudget } from './memory-budget.js'
import { type ClaimedBatch, Persister } from './persister.js'
import { PoisonDetector } from './poison-detector.js'
import { Quarantine } from './quarantine.js'
import { type Findings, knownFindings, RefusalHandler } from './refusal-handler.js'
import { emptyReport, type FlushReport } from './report.js'
import { Semaphore } from './semaphore.js'

/** This worker cannot read a batch, as it knows less of the model, or the database cannot any more. */
const NOT_OURS = 'another worker has brought the batch into the database, and is to acknowledge it'

const REFUSED_BEFORE = 'refused before'

/** Of the whole process: how many are under way at a time. */
export interface FlushLimits {
  readonly claims: Semaphore
  readonly statements: Semaphore
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

/** What came of a batch: nothing is left to do, it is refused, or the ledger is where it does not follow. */
type Step = 'settled' | { readonly findings: Findings } | { readonly ledger: string | null }

/**
 * claim → persist → acknowledge, until nothing of the target is left. Several flushers may work on one shard: they get the same batch,
 * and the ledger lets it be applied once. A flusher that was stopped anywhere leaves a batch in flight, which the next one finishes.
 */
export class Flusher {
  readonly #context: FlusherContext
  readonly #turns: readonly Semaphore[]
  readonly #size: BatchSize
  readonly #quarantine: Quarantine
  readonly #poison = new PoisonDetector()
  readonly #refusals: RefusalHandler
  readonly #persister: Persister

  constructor(context: FlusherContext) {
    this.#context = context
    this.#turns = Array.from({ length: context.shards.count }, () => new Semaphore(1))
    this.#size = new BatchSize(context.policy.batchSize)
    this.#quarantine = new Quarantine(context)
    const { statements } = context.limits
    const shared = { ...context, statements, decoder: new BatchDecoder(context.model), poison: this.#poison }
    this.#refusals = new RefusalHandler(shared)
    this.#persister = new Persister({ ...shared, size: this.#size })
  }

  /**
   * @param maxBatches ends the flush early; the report then says when the rest is due
   * @param deadline of performance.now(): nothing is claimed after it
   * @throws PersistError on an outage, or when the tables do not fit the schema; the batch stays in flight
   * @throws TimeoutError when its turn came after the deadline
   */
  flush(
    shard: number,
    target: ClaimTarget,
    maxBatches = Number.POSITIVE_INFINITY,
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<FlushReport> {
    // In turn within this process: at the same time they would send the same batch.
    return (this.#turns[shard] as Semaphore).run(() => this.#flush(shard, target, maxBatches, deadline))
  }

  async #flush(shard: number, wanted: ClaimTarget, maxBatches: number, deadline: number): Promise<FlushReport> {
    const { store, policy, shards, limits } = this.#context
    const report = emptyReport()
    let target = wanted
    for (let batches = 0; batches < maxBatches && !report.complete; batches++) {
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
      const isOwn = claim.batch.id.startsWith(newId)
      if ('key' in target && isOwn) break
      // Of given records those that are refused could be claimed again and again: of an own batch only the groups are left to do.
      if ('keys' in target) target = { keys: isOwn ? [] : target.keys.filter((key) => !report.parked.has(key)) }
      report.complete = isOver(target, report.wait)
    }
    return report
  }

  /** A batch that kills workers, or is too heavy for this one, is not decoded. That an attempt failed is an outcome, too. */
  async #attempt(shard: number, batch: Batch, report: FlushReport): Promise<void> {
    const { store, shards } = this.#context
    try {
      const refusal = await this.#quarantine.inspect(shard, batch)
      if (refusal === undefined) await memoryBudget.carry(batch.packed.changes.length, () => this.#observe(shard, batch, report))
      else if (refusal !== 'gone')
        await this.#quarantine.settle(shard, batch, refusal, {
          acknowledge: (ledger) => this.#acknowledge(shard, { ...batch, since: [] }, ledger, batch.size, 0, report),
          refuse: () => this.#refusals.carryOut(shard, batch, new Map([[0, refusal]]), report),
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
    const { store, shards, model, events } = this.#context
    let head: BatchHead = batch
    let findings = batch.reasons && knownFindings(batch.reasons, model.name)
    for (;;) {
      const step: Step = findings ? await this.#refuse(shard, batch, head, findings, report) : await this.#apply(shard, batch, head, report)
      if (step === 'settled') return
      if ('findings' in step) {
        findings = step.findings
        continue
      }
      // The ledger is where the batch does not follow: a later flusher has moved on, or Redis has forgotten something.
      if (!(await store.isInFlight(shards.prefix(shard), batch.id))) return
      events.emit('adopted', { model: model.name, shard, batch: batch.id, ledger: step.ledger })
      head = { id: batch.id, previous: step.ledger }
    }
  }

  /** Persists the batch, or finds out which of its records are refused. */
  async #apply(shard: number, batch: Batch, head: BatchHead, report: FlushReport): Promise<Step> {
    for (let collisions = 1; ; collisions++) {
      const answer = await this.#persister.send(shard, batch, head)
      if (answer instanceof PersistError) {
        if (answer.databaseCode === CARDINALITY_VIOLATION && collisions < MAX_COLLISIONS) continue
        return { findings: await this.#refusals.examine(shard, batch, answer) }
      }
      const { claimed, result, statement } = answer
      switch (result.outcome) {
        case 'applied':
          this.#poison.passed()
          return this.#acknowledge(shard, claimed, batch.id, result.rows, statement, report)
        case 'applied before':
          return this.#acknowledge(shard, claimed, result.ledger, claimed.size, statement, report)
        case 'void':
          return { findings: await this.#refusals.examine(shard, batch, new PersistError('REFUSED', REFUSED_BEFORE, undefined)) }
        case 'elsewhere':
          return { ledger: result.ledger }
      }
    }
  }

  async #refuse(shard: number, batch: Batch, head: BatchHead, findings: Findings, report: FlushReport): Promise<Step> {
    const { database, limits, shards, model } = this.#context
    const voided = await limits.statements.run(() => database.void(shards.ledger(shard), head))
    if (voided.outcome === 'applied before') throw new PersistError('OUTAGE', `${model.name}: ${NOT_OURS}`, undefined)
    if (voided.outcome === 'elsewhere') return { ledger: voided.ledger }
    await this.#refusals.carryOut(shard, batch, findings, report)
    return 'settled'
  }

  async #acknowledge(
    shard: number,
    batch: Omit<ClaimedBatch, 'statement'>,
    ledger: string,
    rows: number,
    statement: number,
    report: FlushReport,
  ): Promise<'settled'> {
    const { store, policy, shards, model, events } = this.#context
    const ttl = { view: policy.viewTtl, missing: policy.missingTtl }
    const reply = await store.acknowledge(shards.prefix(shard), batch.id, ledger, randomUUID(), ttl, rows, policy.jobs === 'record')
    if (reply === undefined) return 'settled'
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
    for (const key of reply.unparked) report.unparked.push(key)
    for (const key of reply.unparked) events.emit('unparked', { model: model.name, shard, key })
    return 'settled'
  }
}

/** Whether another claim would find nothing, by what an acknowledgement said of the shard: mostly so, which spares a call to Redis. */
function isOver(target: ClaimTarget, wait: number | undefined): boolean {
  return !('keys' in target) && (wait === undefined || ('due' in target && wait > 0))
}
