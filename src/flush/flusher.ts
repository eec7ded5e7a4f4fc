import { randomUUID } from 'node:crypto'
import type { BatchHead, Database } from '../database/database.js'
import { isWorthSendingAgain } from '../database/outcome.js'
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

/** The message if this worker refused a batch that another one has applied, because the two know different versions of the model. */
const APPLIED_ELSEWHERE = 'another worker has written this batch to the database; it is acknowledged at the next attempt'

const REFUSED_BEFORE = 'refused before'

/** How many claims and statements are under way at a time in the whole process. */
export interface FlushLimits {
  readonly claims: Semaphore
  readonly statements: Semaphore
}

type FlushStore = Pick<
  Store,
  'claim' | 'acknowledge' | 'forgive' | 'split' | 'park' | 'isInFlight' | 'inFlight' | 'isParked' | 'doOthersWait'
>

export interface FlusherContext {
  readonly model: Model
  readonly policy: Pick<ResolvedPolicy, 'batchSize' | 'debounce' | 'jobs' | 'viewTtl' | 'missingTtl'>
  readonly shards: ShardNames
  readonly store: FlushStore
  readonly database: Pick<Database, 'ready' | 'prepare' | 'persist' | 'void' | 'probe' | 'trial'>
  readonly events: Pick<Events, 'emit'>
  readonly limits: FlushLimits
  readonly telemetry?: Pick<Telemetry, 'flush'> | undefined
}

/** The result for a batch: nothing is left to do, or it is refused, or the ledger has another id than the one before it. */
type Step = 'settled' | { readonly findings: Findings } | { readonly ledger: string | null }

/**
 * Flushes the shards of one model: claim → persist → acknowledge, until nothing of the target is left.
 *
 * A shard has at most one batch. These are its states, what holds in each, and what happens if the process dies there:
 *
 * - **in flight.** The claim moved the changes of the due records out of the pending changes into the batch, under an id that is never used
 *   twice. A batch never gains or changes a record: a write that comes now starts a new pending change beside it. If the process dies, the
 *   next claim of the shard returns the same batch. So the changes of a record reach the database in their order.
 * - **applied.** One statement wrote the rows and moved the shard's row in the ledger from the batch before to this one. Both are
 *   committed, or neither is. If the process dies between COMMIT and acknowledge, the next claim returns the batch once more. Its statement
 *   then finds the batch's own id in the ledger, writes nothing, and the batch is acknowledged. So an increment is applied once. (A batch
 *   that replaces rows takes two statements: the first one deletes, and moves the ledger to `deletes:<id>`, which tells the next flusher
 *   where to go on.)
 * - **acknowledged.** Redis has dropped the batch. A record that was not written since is clean, and its cached row expires. If the process
 *   dies now, only its report is lost.
 * - **refused.** The statement failed because of some rows, and changed nothing. A trial, which is rolled back, finds these rows. The
 *   findings are only in this process: if it dies, the batch is in flight, and the next flusher finds them anew.
 * - **void.** The ledger holds `void:<id>`. From now on no statement can apply the batch, not even that of a worker which was paused before
 *   it sent it. If the process dies, the next statement meets the void id, and the batch is examined again.
 * - **divided.** Only some records are refused, or nobody can say which. These records, or one half, now wait behind the batch, and the other records
 *   go on under a new id. Both parts are still claimed, and follow one after the other. A batch only becomes smaller, so this ends. If the process
 *   dies, the next claim returns the part that is first.
 * - **parked.** All records of the batch are refused. Each is a dead letter now: its change is a pending change again, composed with what
 *   was written since, and the reason is listed. It is claimed when its own job retries it, when a flush asks for it, or when it is written
 *   again. If the process dies on the way, the next script that changes the shard ends the move.
 *
 * If the ledger holds neither the id before nor this one, Redis is asked whether the batch is still in flight. If it is not, a later
 * flusher has ended it, and nothing is left to do. If it is, Redis has lost its memory, or was restored from a backup: the batch adopts the
 * ledger's id as the one before it.
 *
 * So several flushers may work on one shard at the same time: they get the same batch, and the ledger applies it once.
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
   * @param deadline by performance.now(); nothing is claimed after it
   * @throws PersistError on an outage, or when the tables do not fit the schema; the batch stays in flight
   * @throws TimeoutError when the deadline passed before the shard was free
   */
  flush(
    shard: number,
    target: ClaimTarget,
    maxBatches = Number.POSITIVE_INFINITY,
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<FlushReport> {
    // One after the other within this process, because flushes of one shard at the same time would send the same batch.
    return (this.#turns[shard] as Semaphore).run(() => this.#flush(shard, target, maxBatches, deadline))
  }

  async #flush(shard: number, wanted: ClaimTarget, maxBatches: number, deadline: number): Promise<FlushReport> {
    const { store, policy, shards, limits, model } = this.#context
    const report = emptyReport()
    let target = wanted
    for (let batches = 0; batches < maxBatches && !report.complete; batches++) {
      const newId = randomUUID()
      const claim = await limits.claims.run(() => {
        if (performance.now() > deadline) throw new TimeoutError(`flush: the timeout passed while ${model.name} waited for another flush`)
        return store.claim(shards.prefix(shard), newId, this.#size.limits, target, policy.debounce)
      })
      if (claim.batch === undefined) {
        report.complete = !claim.isMore
        report.wait = claim.wait
        report.putOff += claim.putOff
        continue
      }
      // Without an answer of the acknowledgement, the shard counts as due again at once.
      report.wait = 0
      await this.#attempt(shard, claim.batch, report)
      // Another flusher may have claimed the batch earlier. Then it lacks later writes, and the target is claimed once more.
      const isOwn = claim.batch.id.startsWith(newId)
      if ('key' in target && isOwn) break
      // A named record that is refused would be claimed again and again. So after a batch that this flush has made, only the parts of a divided batch
      // are flushed.
      if ('keys' in target) target = { keys: isOwn ? [] : target.keys.filter((key) => !report.parked.has(key)) }
      report.complete = isOver(target, report.wait)
    }
    return report
  }

  /**
   * Decodes the batch only if no worker died of it and it fits into memory. A failed attempt is reported to Redis, because Redis takes an
   * attempt without an outcome for the death of a worker.
   */
  async #attempt(shard: number, batch: Batch, report: FlushReport): Promise<void> {
    const { store, shards } = this.#context
    try {
      const refusal = await this.#quarantine.check(shard, batch)
      if (refusal === undefined) await memoryBudget.run(batch.packed.changes.length, () => this.#observe(shard, batch, report))
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

  /** Settles the batch, within a span if spans are recorded. */
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
      // A later flusher has ended the batch, or Redis has lost its memory.
      if (!(await store.isInFlight(shards.prefix(shard), batch.id))) return
      events.emit('adopted', { model: model.name, shard, batch: batch.id, ledger: step.ledger })
      head = { id: batch.id, previous: step.ledger }
    }
  }

  /** Persists and acknowledges the batch, or finds out which of its records are refused. */
  async #apply(shard: number, batch: Batch, head: BatchHead, report: FlushReport): Promise<Step> {
    for (let collisions = 1; ; collisions++) {
      const answer = await this.#persister.send(shard, batch, head)
      if (answer instanceof PersistError) {
        if (isWorthSendingAgain(answer, collisions)) continue
        return { findings: await this.#refusals.examine(shard, batch, answer) }
      }
      const { claimed, result, statement } = answer
      switch (result.outcome) {
        case 'applied':
          this.#poison.noteSuccess()
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

  /** Makes the batch void, then parks or divides it. */
  async #refuse(shard: number, batch: Batch, head: BatchHead, findings: Findings, report: FlushReport): Promise<Step> {
    const { database, limits, shards, model } = this.#context
    const voided = await limits.statements.run(() => database.void(shards.ledger(shard), head))
    if (voided.outcome === 'applied before') throw new PersistError('OUTAGE', `${model.name}: ${APPLIED_ELSEWHERE}`, undefined)
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
    // Later batches were applied, and Redis does not know them, because it was put back to an older state.
    if (ledger !== batch.id) events.emit('adopted', { model: model.name, shard, batch: batch.id, ledger })
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

/** Whether another claim would find nothing. The acknowledgement usually tells, which saves a call to Redis. */
function isOver(target: ClaimTarget, wait: number | undefined): boolean {
  return !('keys' in target) && (wait === undefined || ('due' in target && wait > 0))
}
