import { randomUUID } from 'node:crypto'
import { fold, type Operation } from '../change/operation.js'
import { checkSize, sizeOf, tooMuchWaiting } from '../change/size.js'
import {
  BacklogFullError,
  InvalidInputError,
  OutcomeUnknownError,
  RedisFullError,
  UnavailableError,
  unreadableError,
  WriteBehindError,
} from '../errors.js'
import type { Events } from '../events.js'
import type { ShardNames } from '../redis/keys.js'
import { isRefusedUnread, isReply, named, RedisRefusal } from '../redis/refusal.js'
import type { Refusal, WriteLimits, WriteReply } from '../redis/replies.js'
import { NoAnswer, type RetryingConnection } from '../redis/retrying-connection.js'
import type { Safety } from '../redis/safety.js'
import type { Store } from '../redis/store.js'
import { MAX_TRACES, type Origin, type Telemetry, type WriteSpan } from '../telemetry/telemetry.js'
import { type Owned, OwnRecords } from './own-records.js'

/** Most operations in one call: it bounds how long one script holds Redis up, and how many arguments Lua unpacks. */
const MAX_IN_A_CALL = 500

/** No operation is added to a call of so many bytes, or so. */
const MAX_BYTES = 4 * 2 ** 20

/** Told when records became dirty that no alarm is set for; `keys` only with `nameClean`. */
export type OnDirty = (shard: number, keys: readonly string[]) => void

/** A connection, and how calls go by it. */
export interface Calls {
  readonly store: Store
  readonly connection: RetryingConnection
}

export interface WriterContext {
  readonly model: string
  /** One or more; a call goes by the one with the fewest under way. */
  readonly calls: readonly Calls[]
  readonly safety?: Pick<Safety, 'beforeWrite'> | undefined
  readonly limits: WriteLimits
  readonly shards: ShardNames
  readonly events: Events
  readonly telemetry?: Telemetry | undefined
  readonly onDirty: OnDirty
}

/** What a conditional operation is answered with: the row, or why it was not done. */
export type Answer = readonly string[] | Exclude<Refusal, 'backlog' | 'unreadable'>

/** An operation, and the one promise of all writes that were added up to it. */
class Entry {
  readonly operation: Operation
  readonly promise: Promise<Answer | undefined>
  writes = 1
  /** Recorded spans that the writes were issued in. */
  origins: Origin[] | undefined
  resolve!: (answer?: Answer) => void
  reject!: (error: WriteBehindError) => void

  constructor(operation: Operation) {
    this.operation = operation
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/**
 * Group commit. Each shard has a lane with at most one call under way; writes issued meanwhile wait and go together in the next
 * call, those that can be added up as one operation. A call bears the lane's sequence, so that repeating it changes nothing:
 * a promise resolves when Redis has answered for that very write.
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

  /** @param operation a conditional one */
  writeIf(shard: number, operation: Operation): Promise<Answer> {
    return (this.#lanes[shard] as Lane).write(operation) as Promise<Answer>
  }

  /** By shard, the records that were written here and may not be in the database yet. */
  owned(): ReadonlyMap<number, Owned> {
    return new Map(this.#lanes.filter((lane) => lane.used).map((lane) => [lane.shard, lane.own.owned]))
  }

  /** Resolves when no write is under way; forgets the sequences. */
  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.idle()))
    const used = this.#lanes.filter((lane) => lane.used)
    await Promise.all(used.map((lane) => lane.forget().catch(ignoreExpiring)))
  }
}

class Lane {
  readonly shard: number
  readonly own = new OwnRecords()
  readonly #context: WriterContext
  readonly #writer: string
  #sequence = 0
  #waiting: Entry[] = []
  /** The last waiting entry of each record: the one that a later write may be added to. */
  #lastByKey = new Map<string, Entry>()
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
      this.#mark(last)
      return last.promise
    }
    const entry = new Entry(operation)
    this.#mark(entry)
    this.#waiting.push(entry)
    this.#lastByKey.set(operation.key, entry)
    this.#running ??= this.#run()
    return entry.promise
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  forget(): Promise<void> {
    return this.#leastLoaded().store.forgetWriter(this.#context.shards.prefix(this.shard), this.#writer)
  }

  async #run(): Promise<void> {
    // Writes of the same turn of the event loop go together.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    while (this.#waiting.length > 0) await this.#send(this.#take())
    this.#running = undefined
  }

  #take(): Entry[] {
    let [size, bytes] = [0, 0]
    while (size < this.#waiting.length && size < MAX_IN_A_CALL && bytes < MAX_BYTES)
      bytes += sizeOf((this.#waiting[size++] as Entry).operation)
    const group = this.#waiting.splice(0, size)
    if (this.#waiting.length === 0) this.#lastByKey = new Map()
    else for (const entry of group) if (this.#lastByKey.get(entry.operation.key) === entry) this.#lastByKey.delete(entry.operation.key)
    return group
  }

  #mark(entry: Entry): void {
    const origin = this.#context.telemetry?.origin()
    if (origin === undefined || entry.origins?.at(-1) === origin) return
    entry.origins ??= []
    if (entry.origins.length < MAX_TRACES) entry.origins.push(origin)
  }

  async #send(group: readonly Entry[]): Promise<void> {
    const { limits, model, safety } = this.#context
    const { store, connection } = this.#leastLoaded()
    const prefix = this.#context.shards.prefix(this.shard)
    const sequence = ++this.#sequence
    const operations = group.map((entry) => entry.operation)
    const writes = countWrites(group)
    const span = this.#startSpan(group, writes)
    try {
      const { shardWasClean, clean, refused, rows } = await connection.call(
        () => store.write(prefix, this.#writer, sequence, writes, limits, operations, span?.traces),
        () => safety?.beforeWrite(connection, model),
      )
      span?.end()
      if (shardWasClean) this.own.clear()
      group.forEach((entry, position) => {
        const refusal = refused.get(position)
        if (refusal === undefined) {
          this.own.add(entry.operation.key)
          entry.resolve(rows.get(position))
        } else if (refusal === 'backlog' || refusal === 'unreadable' || entry.operation.shape.asks === undefined)
          entry.reject(this.#refused(refusal, entry.operation.key))
        else entry.resolve(refusal)
      })
      this.#tell(group, refused)
      if (shardWasClean || clean.length > 0)
        this.#context.onDirty(
          this.shard,
          clean.map((position) => (operations[position] as Operation).key),
        )
    } catch (error) {
      const failure = toWriteError(model, error)
      span?.end(failure)
      if (hasStopped(error)) await this.#cleanUp(operations.map(({ key }) => key))
      for (const entry of group) {
        if (failure instanceof OutcomeUnknownError) this.own.add(entry.operation.key)
        entry.reject(failure)
      }
    }
  }

  /** After a call that stopped half-way: views may have followed what was not written, or may not have followed what was. */
  async #cleanUp(keys: readonly string[]): Promise<void> {
    const { store, connection } = this.#leastLoaded()
    this.#context.onDirty(this.shard, keys)
    await connection.call(() => store.invalidate(this.#context.shards.prefix(this.shard), keys)).catch(ignoreViews)
  }

  #startSpan(group: readonly Entry[], writes: number): WriteSpan | undefined {
    const { telemetry, model } = this.#context
    if (telemetry === undefined) return undefined
    const origins: Origin[] = []
    for (const entry of group) if (entry.origins !== undefined) origins.push(...entry.origins)
    return telemetry.write({ model, shard: this.shard, operations: group.length, writes, origins })
  }

  #tell(group: readonly Entry[], refused: WriteReply['refused']): void {
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

  #refused(refusal: Refusal, key: string): WriteBehindError {
    const { model, limits } = this.#context
    if (refusal === 'backlog') return new BacklogFullError(model, key, limits.maxDirty)
    if (refusal === 'unreadable') return unreadableError(model, key)
    if (refusal === 'size') return new InvalidInputError(model, undefined, ...tooMuchWaiting(limits.maxBytes))
    return new InvalidInputError(model, undefined, 'pending increments of a record within 64 bits', 'a sum outside them')
  }
}

function countWrites(entries: readonly Entry[]): number {
  return entries.reduce((total, { writes }) => total + writes, 0)
}

function toWriteError(model: string, error: unknown): WriteBehindError {
  if (error instanceof WriteBehindError) return error
  const cause = named(error)
  if (isReply(error) && error.message.startsWith('OOM')) return new RedisFullError(model, cause)
  const isUnsent = error instanceof NoAnswer ? !error.sent : isRefusedUnread(error)
  return isUnsent ? new UnavailableError(model, cause) : new OutcomeUnknownError(model, cause)
}

/** Whether Redis has answered that a command of the script failed: some of those before it may have been carried out. */
function hasStopped(error: unknown): boolean {
  const reply = error instanceof NoAnswer ? error.cause : error
  return reply instanceof RedisRefusal ? !reply.isUnread : isReply(reply) && !isRefusedUnread(reply)
}

/** They are dropped at best: where this fails, too, Redis refuses more than a write. */
function ignoreViews(): void {}

/** The sequence of a writer that ends unheard expires by itself. */
function ignoreExpiring(): void {}
