/**
 * Writers of all three strategies, and statements that change every row, on the same records, in every order of their steps that
 * fast-check's scheduler can think of, with readers, lost replies, processes that die, views and holds that expire. A failure prints the
 * seed that plays it again.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prepareDatabase } from './failpoints/case.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import { Sum } from './schedules/expectation.js'
import { type Fault, Steps } from './schedules/steps.js'
import { connectServers, type Servers, World } from './schedules/world.js'

const RUNS = Number(process.env.RUNS ?? 60)
const KEYS = ['a', 'b'] as const
const WAYS = ['write-behind', 'write-through', 'write-around', 'bulk'] as const

type Key = (typeof KEYS)[number]
interface Write {
  readonly way: (typeof WAYS)[number]
  readonly key: Key
  readonly amount: number
}
type Other = { readonly do: 'flush' | 'expire holds' } | { readonly do: 'expire' | 'invalidate'; readonly key: Key }

interface Program {
  readonly writers: readonly (readonly Write[])[]
  readonly readers: readonly (readonly Key[])[]
  readonly others: readonly Other[]
  readonly faults: readonly Fault[]
}

const { redis, namespace, clean } = createRedis()
let database: TestDatabase
let servers: Servers
let replay: fc.Parameters<[fc.Scheduler, Program]>

beforeAll(async () => {
  database = await createDatabase()
  await prepareDatabase(database)
  servers = connectServers(database, redis)
  replay = { numRuns: RUNS, endOnFailure: true, ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }) }
})

afterAll(async () => {
  await clean()
  await database.drop()
})

test('whoever writes and wherever he is paused or dies, no read misses a write, and no view outlives its row', {
  timeout: 3_600_000,
}, async () => {
  let steps: Steps
  const act = async (release: () => Promise<void>) => {
    await release()
    await steps.settle()
  }
  const play = async (scheduler: fc.Scheduler, program: Program) => {
    steps = new Steps(scheduler, program.faults)
    await new Play(steps).run(scheduler, program)
  }
  await fc.assert(fc.asyncProperty(fc.scheduler({ act }), program(), play), replay)
})

class Play {
  readonly #steps: Steps
  readonly #world: World
  readonly #sums = { a: new Sum(), b: new Sum() }

  constructor(steps: Steps) {
    this.#steps = steps
    this.#world = new World(servers, steps, `${namespace}-${randomUUID().slice(0, 8)}`)
  }

  async run(scheduler: fc.Scheduler, { writers, readers, others }: Program): Promise<void> {
    for (const key of KEYS) await database.query('insert into page_views (path, updated_at) values ($1, now())', [this.#world.path(key)])
    const actors = [...writers.map((list) => this.#writeAll(list)), ...readers.map((list) => this.#readAll(list)), this.#changeAll(others)]
    await this.#steps.settle()
    await scheduler.waitFor(Promise.all(actors))
    this.#steps.open()
    await this.#world.drain()
    await this.#checkViews()
    await this.#world.expireHolds()
    await this.#checkViews()
    await this.#checkViews()
    expect(await this.#world.leftInRedis()).toEqual([])
  }

  /** A process that dies leaves the rest of its writes to another one. */
  async #writeAll(list: readonly Write[]): Promise<void> {
    for (const write of list) {
      await new Promise<void>((resolve, reject) => {
        this.#write(write, resolve).then(resolve, (error: Error) => (isOutage(error) ? resolve() : reject(error)))
      })
    }
  }

  async #write({ way, key, amount }: Write, crash: () => void): Promise<void> {
    if (way === 'bulk') return this.#addToAll(amount, crash)
    const cache = this.#world.cache(way, crash)
    await this.#sums[key].add(amount, () => cache.increment({ path: this.#world.path(key) }, { views: amount }))
  }

  async #addToAll(amount: number, crash: () => void): Promise<void> {
    const paths = KEYS.map((key) => this.#world.path(key))
    const update = () => database.query('update page_views set views = views + $1 where path = any ($2)', [amount, paths])
    const write = this.#world.holds(undefined, crash).during('all', () => this.#steps.step('bulk', update, crash))
    await Promise.all(KEYS.map((key) => this.#sums[key].add(amount, async () => void (await write))))
  }

  async #readAll(list: readonly Key[]): Promise<void> {
    const cache = this.#world.cache()
    for (const key of list) await this.#sums[key].check(() => this.#read(cache, key))
  }

  async #read(cache: ReturnType<World['cache']>, key: Key): Promise<bigint> {
    for (;;) {
      try {
        return (await cache.findUnique({ where: { path: this.#world.path(key) } }))?.views ?? 0n
      } catch (error) {
        if (!isOutage(error as Error)) throw error
      }
    }
  }

  async #changeAll(list: readonly Other[]): Promise<void> {
    for (const other of list) {
      if (other.do === 'flush') await this.#flush()
      else if (other.do === 'invalidate') await this.#world.cache().invalidate({ path: this.#world.path(other.key) })
      else {
        const change = () => (other.do === 'expire' ? this.#world.expire(other.key) : this.#world.expireHolds())
        await this.#steps.step(other.do, change).catch(() => {})
      }
    }
  }

  async #flush(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const flusher = this.#world.flusher(() => resolve())
      flusher.flush(0, { due: Date.now() }, 3).then(
        () => resolve(),
        (error: Error) => (isOutage(error) ? resolve() : reject(error)),
      )
    })
  }

  async #checkViews(): Promise<void> {
    const rows = await this.#world.rows()
    for (const key of KEYS) {
      const views = BigInt(rows.find(({ path }) => path === this.#world.path(key))?.views ?? -1)
      await this.#sums[key].check(async () => views)
      expect(await this.#read(this.#world.cache(), key)).toBe(views)
    }
  }
}

function isOutage(error: Error): boolean {
  return (error as { code?: string }).code === 'OUTAGE' || error.message === 'Connection terminated unexpectedly'
}

function program(): fc.Arbitrary<Program> {
  const key = fc.constantFrom('a' as const, 'a' as const, 'b' as const)
  const write = fc.record({
    way: fc.constantFrom(...WAYS, 'write-through' as const, 'write-around' as const),
    key,
    amount: fc.integer({ min: 1, max: 9 }),
  })
  const other = fc.oneof(
    fc.constant({ do: 'flush' as const }),
    fc.record({ do: fc.constantFrom('expire' as const, 'invalidate' as const), key }),
  )
  const list = <T>(item: fc.Arbitrary<T>, maxLength: number) => fc.array(item, { minLength: 1, maxLength, size: 'max' })
  const fault = (kind: Fault) =>
    fc.oneof({ weight: 10, arbitrary: fc.constant('none' as const) }, { weight: 1, arbitrary: fc.constantFrom('lost', kind) })
  const program = (others: fc.Arbitrary<Other>, kind: Fault) =>
    fc.record({
      writers: fc.tuple(list(write, 4), list(write, 4)),
      readers: fc.tuple(list(key, 8), list(key, 8)),
      others: list(others, 8),
      faults: fc.array(fault(kind), { minLength: 60, maxLength: 60 }),
    })
  // Either of both happens: holds do not help against a holder that is paused until its hold has expired, and then dies.
  const expiry = fc.constant({ do: 'expire holds' as const })
  return fc.oneof(program(other, 'crash'), program(fc.oneof(other, expiry, expiry), 'none'))
}
