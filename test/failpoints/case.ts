import type { TestDatabase } from '../fixture.js'
import { until } from '../until.js'
import {
  connectCache,
  DELETED,
  PAUSE,
  pathOf,
  REFUSED,
  ROUNDS,
  rowAfter,
  SHARED,
  type SubjectCache,
  type Target,
  TIMEOUT,
} from './subject.js'

/** This lasts as long as the subject lives, and is few enough for the shard to become clean on a busy machine. */
const OTHER_WRITES = 60

/** Prepares a database for cases. A trigger refuses the rows whose path is in the table `refused`. */
export async function prepareDatabase(database: TestDatabase): Promise<void> {
  await database.query('create table refused (path text primary key)')
  await database.query(`create function refuse() returns trigger language plpgsql as $$ begin
    if exists (select from refused where path = new.path) then raise exception 'refused' using errcode = '23514'; end if; return new; end $$`)
  await database.query('create trigger refuse before insert or update on page_views for each row execute function refuse()')
}

/** One case: what runs beside the process under test, and what must be true at the end. */
export class Case {
  readonly target: Target
  begun = 0
  done = 0
  readonly #database: TestDatabase
  #helper: SubjectCache | undefined
  /** Increments of each shared record by others than the subject. All of them are acknowledged. */
  #others = 0
  #writing: Promise<void> | undefined
  #stopped = false
  #concurrent = false

  constructor(database: TestDatabase, target: Target) {
    this.#database = database
    this.target = target
  }

  async start(concurrent: boolean): Promise<void> {
    await this.#query('insert into page_views (path, views, updated_at) values ($1, 100, now())', DELETED)
    await this.#query('insert into refused values ($1)', REFUSED)
    this.#helper = await connectCache(this.target)
    this.#concurrent = concurrent
  }

  begin(round: number): void {
    this.begun = round
  }

  /** Starts the other writers after the subject's first round, so that this round finds the shard clean and adds the flush job. */
  finish(round: number): void {
    this.done = round
    this.join()
  }

  /** Starts the other writers, if the case has any. */
  join(): void {
    if (this.#concurrent) this.#writing ??= this.#keepWriting()
  }

  /** Goes on while the subject is stopped. Finishes the batch that it left in flight, and flushes newer batches. */
  async moveOn(): Promise<void> {
    for (let batch = 0; batch < 2; batch++) {
      await this.#writeAsOther()
      await this.#flush()
    }
  }

  /** Ends the other writers, flushes everything, and checks Redis and the rows. */
  async check(): Promise<void> {
    this.#stopped = true
    await this.#writing
    await this.#query('delete from refused where path = $1', REFUSED)
    await until('everything to be flushed', TIMEOUT, () => this.#flush(), PAUSE)
    await this.#checkRedis()
    await this.#checkRows()
  }

  async end(): Promise<void> {
    this.#stopped = true
    await this.#writing?.catch(() => {})
    await this.#helper?.close({ deadline: 1000 })
  }

  get #cache(): SubjectCache {
    return this.#helper as SubjectCache
  }

  /** Resolves to true when everything is flushed, and to false when refused records are left. */
  async #flush(): Promise<boolean> {
    try {
      await this.#cache.flush({ timeout: 60_000 })
      return true
    } catch (error) {
      if ((error as { code?: string }).code !== 'PARKED') throw error
      return false
    }
  }

  async #keepWriting(): Promise<void> {
    for (let n = 0; n < OTHER_WRITES && !this.#stopped; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      await this.#writeAsOther()
    }
  }

  async #writeAsOther(): Promise<void> {
    const { namespace } = this.target
    await Promise.all(SHARED.map((key) => this.#cache.pageView.increment({ path: pathOf(namespace, key) }, { bytes: 1 })))
    this.#others++
  }

  async #checkRedis(): Promise<void> {
    const { redis, namespace } = this.target
    const left: string[] = []
    for await (const keys of redis.scanStream({ match: `{${namespace}/PageView/0}/*`, count: 1000 })) left.push(...keys)
    const wrong = left.filter((key) => /\/(packed|pend\/.*|draft|answer|intent|batch|dirty|parked)$/.test(key))
    if (wrong.length > 0) throw new Error(`expected no changes in Redis after the flush, found the keys ${wrong.join(', ')}`)
    for (const key of left) {
      if (/\/view\//.test(key) && (await redis.pttl(key)) === -1)
        throw new Error(`expected a TTL on the cached row of a clean record, found none on ${key}`)
    }
  }

  /** Checks that the rows have all rounds that the subject got an answer for, at most one round more, and no part of a round. */
  async #checkRows(): Promise<void> {
    const found: Record<string, unknown> = {}
    for (const key of [...SHARED, DELETED]) {
      const where = { path: pathOf(this.target.namespace, key) }
      const row = await this.#database.prisma.pageView.findUnique({ where })
      const view = await this.#cache.pageView.findUnique({ where })
      if (comparable(view) !== comparable(row))
        throw new Error(`the cached row of ${key} is ${comparable(view)}, but its row is ${comparable(row)}`)
      found[key] = comparable(row)
    }
    const allowed = [this.done, this.begun].map((rounds) => JSON.stringify(this.#expected(rounds)))
    if (!allowed.includes(JSON.stringify(found))) throw new Error(`expected ${allowed.join(' or ')}, got ${JSON.stringify(found)}`)
  }

  #expected(rounds: number): Record<string, string> {
    const { views, lastStatus } = rowAfter(rounds)
    const bytes = BigInt(this.#others)
    const exists = rounds > 0 || bytes > 0n
    const shared = SHARED.map((key) => [key, comparable(exists ? { views, bytes, lastStatus: key === 'a' ? lastStatus : null } : null)])
    const gone = rounds === 0 ? { views: 100n, bytes: 0n, lastStatus: null } : rounds % 2 === 1 ? null : deletedAfter(rounds)
    return Object.fromEntries([...shared, [DELETED, comparable(gone)]])
  }

  async #query(sql: string, key: string): Promise<void> {
    await this.#database.query(sql, [pathOf(this.target.namespace, key)])
  }
}

/** Tells whether the subject came to its end. If it did and never reached its failpoint, its life does not pass that point. */
export function isWhole({ done }: Case): boolean {
  return done === ROUNDS
}

function deletedAfter(rounds: number) {
  return { views: BigInt(rounds), bytes: 0n, lastStatus: null }
}

function comparable(row: { views: bigint; bytes: bigint; lastStatus: number | null } | null): string {
  return row === null ? 'missing' : `${row.views} views, ${row.bytes} bytes, status ${row.lastStatus}`
}
