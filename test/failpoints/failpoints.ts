import { AsyncLocalStorage } from 'node:async_hooks'
import type { SqlClient } from '../../src/database/postgresql/database.js'
import { Scheduler } from '../../src/flush/scheduler.js'
import { Sweeper } from '../../src/flush/sweeper.js'
import { Store } from '../../src/redis/store.js'
import { WriteBehind } from '../../src/write-behind.js'

/**
 * Every step boundary of the library is a call of a method, so the failpoints are wrappers around those methods, put there by the
 * process that wants them. `src/` has no trace of them: off is not there at all.
 */

type Method = (this: unknown, ...args: unknown[]) => Promise<unknown>

interface Step {
  readonly name: string
  readonly prototype: object
  readonly method: string
  /** Whether a call did what the step is about; a claim may find nothing. */
  readonly counts?: (result: unknown) => boolean
}

const METHODS: readonly Step[] = [
  { name: 'write', prototype: Store.prototype, method: 'write' },
  { name: 'schedule', prototype: Scheduler.prototype, method: 'wakeShard' },
  { name: 'schedule-parked', prototype: Scheduler.prototype, method: 'wakeParked' },
  {
    name: 'claim',
    prototype: Store.prototype,
    method: 'claim',
    counts: (result) => (result as { batch: unknown }).batch !== undefined,
  },
  { name: 'acknowledge', prototype: Store.prototype, method: 'acknowledge' },
  { name: 'split', prototype: Store.prototype, method: 'split' },
  { name: 'park', prototype: Store.prototype, method: 'park' },
  { name: 'load', prototype: Store.prototype, method: 'load' },
  { name: 'sweep', prototype: Sweeper.prototype, method: 'sweep' },
  { name: 'close', prototype: WriteBehind.prototype, method: 'close' },
]
const STATEMENTS = ['persist', 'void', 'snapshot'] as const

/** `sent` is the moment at which a statement is on its way, and its outcome unknown. */
export const POINTS: readonly string[] = [
  ...METHODS.flatMap(({ name }) => [`${name}.before`, `${name}.after`]),
  ...STATEMENTS.flatMap((name) => [`${name}.before`, `${name}.sent`, `${name}.after`]),
]

/** What happens at one point, the first time that it is reached. */
export class Failpoint {
  hit = false
  readonly #point: string
  readonly #act: () => void | Promise<void>

  /** @param act may throw */
  constructor(point: string, act: () => void | Promise<void>) {
    if (!POINTS.includes(point)) throw new Error(`no such failpoint: ${point}`)
    this.#point = point
    this.#act = act
  }

  async reach(point: string): Promise<void> {
    if (this.hit || point !== this.#point) return
    this.hit = true
    await this.#act()
  }
}

const active = new AsyncLocalStorage<Failpoint>()

/** Runs a task in which, and in all that it starts, the failpoint is on. */
export function withFailpoint<T>(failpoint: Failpoint, task: () => Promise<T>): Promise<T> {
  return active.run(failpoint, task)
}

/** Puts the failpoints into this process. Returns what takes them out again. */
export function installFailpoints(): () => void {
  const originals = METHODS.map((step) => ({ step, original: Reflect.get(step.prototype, step.method) as Method }))
  for (const { step, original } of originals) replace(step, wrap(step, original))
  return () => {
    for (const { step, original } of originals) replace(step, original)
  }
}

/** The client with failpoints around its statements. */
export function withStatementFailpoints(client: SqlClient): SqlClient {
  return {
    async $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      const name = statementName(sql, values)
      if (name === undefined) return client.$queryRawUnsafe<T>(sql, ...values)
      await reach(`${name}.before`)
      const reply = client.$queryRawUnsafe<T>(sql, ...values)
      reply.catch(() => {})
      await reach(`${name}.sent`)
      const result = await reply
      await reach(`${name}.after`)
      return result
    },
  }
}

function statementName(sql: string, values: readonly unknown[]): (typeof STATEMENTS)[number] | undefined {
  if (sql.startsWith('with fence')) return String(values[1]).startsWith('void:') ? 'void' : 'persist'
  return sql.startsWith('select (select') ? 'snapshot' : undefined
}

function wrap({ name, counts }: Step, original: Method): Method {
  return async function (this: unknown, ...args: unknown[]): Promise<unknown> {
    await reach(`${name}.before`)
    const result = await original.apply(this, args)
    if (counts === undefined || counts(result)) await reach(`${name}.after`)
    return result
  }
}

function replace({ prototype, method }: Step, value: Method): void {
  Object.defineProperty(prototype, method, { value, writable: true, configurable: true })
}

async function reach(point: string): Promise<void> {
  await active.getStore()?.reach(point)
}
