/** The writes of the strategy write-behind, on their way to Redis. */
import { randomUUID } from 'node:crypto'
import { fold, type Operation } from '../change/operation.js'
import { checkSize, sizeOf } from '../change/size.js'
import { OutcomeUnknownError } from '../errors.js'
import type { Events } from '../events.js'
import type { ShardNames } from '../redis/keys.js'
import type { WriteLimits, WriteReply } from '../redis/replies.js'
import type { RetryingConnection } from '../redis/retrying-connection.js'
import type { Safety } from '../redis/safety.js'
import type { Store } from '../redis/store.js'
import type { Origin, Telemetry, WriteSpan } from '../telemetry/telemetry.js'
import { type Owned, OwnRecords } from './own-records.js'
import { type Answer, countWrites, QueuedOperation } from './queued-operation.js'
import { hasStopped, refusalError, toWriteError } from './write-failure.js'

/** The highest number of operations in one call. It limits how long one script blocks Redis, and how many arguments Lua unpacks. */
const MAX_OPERATIONS = 500

/** A call that has about this many bytes takes no further operation. */
const MAX_BYTES = 4 * 2 ** 20

/** Is called for a shard that became dirty and needs a flush job. `keys` names the records that were clean, if `nameClean` is set. */
export type OnDirty = (shard: number, keys: readonly string[]) => void

/** A connection to Redis: its scripts, and the part that repeats a call. */
export interface Calls {
  readonly store: Store
  readonly connection: RetryingConnection
}

export interface WriterContext {
  readonly model: string
  /** One connection or more. A call takes the one with the fewest calls under way. */
  readonly calls: readonly Calls[]
  readonly safety?: Pick<Safety, 'beforeWrite'> | undefined
  readonly limits: WriteLimits
  readonly shards: ShardNames
  readonly events: Pick<Events, 'emit' | 'listenerCount'>
  readonly telemetry?: Pick<Telemetry, 'origin' | 'write'> | undefined
  readonly onDirty: OnDirty
}

/**
 * Group commit: each shard has a lane with at most one call under way. Writes that come meanwhile wait, and go together in the next call.
 *
 * These are the states of a write, what holds in each, and what happens if the process dies there:
 *
 * - **waiting.** The operation is only in this process. A later write of the same record may be folded into it (`fold` in operation.ts
 *   decides), and then has the same promise. If the process dies, the write is lost, but nobody was told that it is safe.
 * - **sent.** The call has the operations in the order in which they were issued, the id of this writer, and a sequence number of the lane.
 *   write.lua remembers the last number of each writer together with its reply. A call without an answer is repeated under its number until
 *   `writeTimeout`: if Redis has carried it out before, it changes nothing and replies the same. One remembered number is enough, because a
 *   lane has one call at a time. If the process dies, Redis carries out the call or never gets it.
 * - **acknowledged.** Redis holds the change, its record is in the dirty index, and its cached row shows it. The promise resolves. From now on the
 *   change reaches the database, whichever process dies. If this process dies before it has scheduled a flush job, a sweeper finds the shard.
 * - **refused.** Redis has stored nothing of this operation, because of the backlog limit, a size, a sum outside 64 bits, an unreadable
 *   change or a condition. The other operations of the call are not concerned.
 * - **not sent.** The call was never sent, or Redis refused it before it began. Nothing was stored (UnavailableError, RedisFullError).
 * - **unknown.** The call was sent and not answered in time, or a command within the script failed. Each operation is stored, or not
 *   (OutcomeUnknownError). After such a failed command, the cached rows of the records are dropped before the promises are rejected,
 *   because they may not match the changes any more.
 *
 * So the writes of a record are applied in the order in which one process issued them, and each at most once.
 */
export class Writer {
  readonly #lanes: Lane[]

  constructor(context: WriterContext) {
    const id = randomUUID()
    this.#lanes = Array.from({ length: context.shards.count }, (_, shard) => new Lane(context, id, shard))
  }

  write(shard: number, operation: Operation): Promise<void> {
    return (this.#lanes[shard] as Lane).write(operation) as Promise<void>
  }

  /** @param operation with a condition */
  writeIf(shard: number, operation: Operation): Promise<Answer> {
    return (this.#lanes[shard] as Lane).write(operation) as Promise<Answer>
  }

  /** For each shard, the records that this process has written and that may not be in the database yet. */
  owned(): ReadonlyMap<number, Owned> {
    return new Map(this.#lanes.filter((lane) => lane.used).map((lane) => [lane.shard, lane.own.owned]))
  }

  /** Resolves when no write is under way. Redis then need not remember the sequence numbers any more. */
  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.idle()))
    const used = this.#lanes.filter((lane) => lane.used)
    await Promise.all(used.map((lane) => lane.forget().catch(ignoreExpiring)))
  }
}

/** The writes of one shard. */
class Lane {
  readonly shard: number
  readonly own = new OwnRecords()
  readonly #context: WriterContext
  readonly #writer: string
  #sequence = 0
  #waiting: QueuedOperation[] = []
  /** The last waiting operation of each record. A later write may be folded only into this one. Otherwise the order of the writes would change. */
  #lastByKey = new Map<string, QueuedOperation>()
  #running: Promise<void> | undefined

  constructor(context: WriterContext, writer: string, shard: number) {
    this.#context = context
    this.#writer = writer
    this.shard = shard
  }

  get used(): boolean {
    return this.#sequence > 0
  }

  /** @throws InvalidInputError if the operation is too large */
  write(operation: Operation): Promise<Answer | undefined> {
    checkSize(this.#context.model, operation, this.#context.limits.maxBytes)
    const last = this.#lastByKey.get(operation.key)
    if (last !== undefined && fold(last.operation, operation)) {
      last.writes++
      last.addOrigin(this.#context.telemetry?.origin())
      return last.promise
    }
    const queued = new QueuedOperation(operation)
    queued.addOrigin(this.#context.telemetry?.origin())
    this.#waiting.push(queued)
    this.#lastByKey.set(operation.key, queued)
    this.#running ??= this.#run()
    return queued.promise
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  forget(): Promise<void> {
    return this.#leastLoaded().store.forgetWriter(this.#context.shards.prefix(this.shard), this.#writer)
  }

  async #run(): Promise<void> {
    // Waits, so that the other writes of the same turn of the event loop go into the same call.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    while (this.#waiting.length > 0) await this.#send(this.#take())
    this.#running = undefined
  }

  #take(): QueuedOperation[] {
    let [size, bytes] = [0, 0]
    while (size < this.#waiting.length && size < MAX_OPERATIONS && bytes < MAX_BYTES)
      bytes += sizeOf((this.#waiting[size++] as QueuedOperation).operation)
    const group = this.#waiting.splice(0, size)
    if (this.#waiting.length === 0) this.#lastByKey = new Map()
    else for (const queued of group) if (this.#lastByKey.get(queued.operation.key) === queued) this.#lastByKey.delete(queued.operation.key)
    return group
  }

  async #send(group: readonly QueuedOperation[]): Promise<void> {
    const { limits, model, safety } = this.#context
    const { store, connection } = this.#leastLoaded()
    const prefix = this.#context.shards.prefix(this.shard)
    const sequence = ++this.#sequence
    const operations = group.map((queued) => queued.operation)
    const writes = countWrites(group)
    const span = this.#startSpan(group, writes)
    try {
      const reply = await connection.call(
        () => store.write(prefix, this.#writer, sequence, writes, limits, operations, span?.traces),
        () => safety?.beforeWrite(connection, model),
      )
      span?.end()
      this.#settle(group, reply)
      this.#emit(group, reply.refused)
      if (reply.shardWasClean || reply.clean.length > 0)
        this.#context.onDirty(
          this.shard,
          reply.clean.map((position) => (operations[position] as Operation).key),
        )
    } catch (error) {
      const failure = toWriteError(model, error)
      span?.end(failure)
      if (hasStopped(error)) await this.#cleanUp(operations.map(({ key }) => key))
      for (const queued of group) {
        if (failure instanceof OutcomeUnknownError) this.own.add(queued.operation.key)
        queued.reject(failure)
      }
    }
  }

  #settle(group: readonly QueuedOperation[], { shardWasClean, refused, rows }: WriteReply): void {
    const { limits, model } = this.#context
    if (shardWasClean) this.own.clear()
    group.forEach((queued, position) => {
      const refusal = refused.get(position)
      if (refusal === undefined) {
        this.own.add(queued.operation.key)
        queued.resolve(rows.get(position))
      } else if (refusal === 'backlog' || refusal === 'unreadable' || queued.operation.shape.asks === undefined)
        queued.reject(refusalError(model, limits, refusal, queued.operation.key))
      else queued.resolve(refusal)
    })
  }

  /**
   * Drops the cached rows after a call that stopped half-way. They may show writes that were not stored, or lack writes that were. A flush
   * job is scheduled for what was stored.
   */
  async #cleanUp(keys: readonly string[]): Promise<void> {
    const { store, connection } = this.#leastLoaded()
    this.#context.onDirty(this.shard, keys)
    await connection.call(() => store.invalidate(this.#context.shards.prefix(this.shard), keys)).catch(ignoreCachedRows)
  }

  #startSpan(group: readonly QueuedOperation[], writes: number): WriteSpan | undefined {
    const { telemetry, model } = this.#context
    if (telemetry === undefined) return undefined
    const origins: Origin[] = []
    for (const queued of group) if (queued.origins !== undefined) origins.push(...queued.origins)
    return telemetry.write({ model, shard: this.shard, operations: group.length, writes, origins })
  }

  /** Emits events, if anybody listens. */
  #emit(group: readonly QueuedOperation[], refused: WriteReply['refused']): void {
    const { events, model, limits } = this.#context
    if (events.listenerCount('written') + events.listenerCount('backlog') === 0) return
    const accepted = group.filter((_, position) => !refused.has(position))
    const records = new Set(accepted.map(({ operation }) => operation.key)).size
    if (records > 0) events.emit('written', { model, shard: this.shard, records, writes: countWrites(accepted) })
    const turnedAway = countWrites(group.filter((_, position) => refused.get(position) === 'backlog'))
    if (turnedAway > 0) events.emit('backlog', { model, shard: this.shard, writes: turnedAway, limit: limits.maxDirty })
  }

  #leastLoaded(): Calls {
    const { calls } = this.#context
    return calls.reduce((least, each) => (each.connection.load < least.connection.load ? each : least))
  }
}

/** The write has failed already. If Redis also refuses to drop the cached rows, that error would tell the caller nothing new. */
function ignoreCachedRows(): void {}

/** If this call fails, the sequence number expires in Redis without it. */
function ignoreExpiring(): void {}
