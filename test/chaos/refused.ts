import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind } from '../../src/index.js'
import { until } from '../until.js'
import type { Query } from './audit.js'

const REFUSED = 20_000
const GOOD = 1000
const TIMEOUT = 600_000
/** By default a record is due this many ms after its write. */
const DEBOUNCE = 1000
/** Required: good records behind the refused ones are in the database this many ms after they are due. */
const MAX_DELAY = 3000
/** Required: this many parked records heal in a second. */
const MIN_HEAL_RATE = 5000

interface Servers {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
  readonly query: Query
}

/**
 * The database refuses 20,000 records, and good records become due after them. Then the database takes them all. One worker flushes, and all options
 * are the defaults.
 */
export async function measureRefused({ redisUrl, databaseUrl, namespace, query }: Servers, say: (line: string) => void) {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  const redis = new Redis(redisUrl, { lazyConnect: true })
  const cache = await createWriteBehind({ prisma, redis, models, namespace, policies: { counter: {} } })
  try {
    await cache.startWorker()
    return await new Refusals(cache, query, say).measure()
  } finally {
    await cache.close()
    await prisma.$disconnect()
    redis.disconnect()
  }
}

class Refusals {
  readonly #cache: Cache<typeof models, { counter: object }>
  readonly #query: Query
  readonly #say: (line: string) => void

  constructor(cache: Cache<typeof models, { counter: object }>, query: Query, say: (line: string) => void) {
    this.#cache = cache
    this.#query = query
    this.#say = say
  }

  async measure() {
    await this.#query(`alter table "Counter" add constraint small check (name not like 'refused%')`)
    await this.#write('refused', REFUSED)
    const first = await this.#delayOfGood('first', 'while refused records are flushed')
    await this.#untilParked('all refused records to be parked', (parked) => parked === REFUSED)
    const retry = await this.#delayOfGood('later', `while ${REFUSED} parked records are tried again`)
    await this.#write('refused', REFUSED)
    const again = await this.#delayOfGood('again', 'while refused records that were written again are flushed')
    await this.#untilParked('all refused records to be parked again', (parked) => parked === REFUSED)
    const { firstHealMs, healedPerSecond } = await this.#heal()
    const figures = {
      measure: 'refused',
      refused: REFUSED,
      firstDelayMs: first,
      retryDelayMs: retry,
      againDelayMs: again,
      firstHealMs,
      healedPerSecond,
    }
    const isHealed = (await this.#count('refused')) === REFUSED
    return { figures, isGood: isHealed && Math.max(first, retry, again) <= MAX_DELAY && healedPerSecond >= MIN_HEAL_RATE }
  }

  /** Resolves to the ms after which good records are in the database, counted from the moment when they are due. */
  async #delayOfGood(prefix: string, when: string): Promise<number> {
    await sleep(200)
    await this.#write(prefix, GOOD)
    const written = performance.now()
    await until(`the good records ${prefix}… to be written`, TIMEOUT, async () => (await this.#count(prefix)) === GOOD)
    const delay = Math.round(performance.now() - written - DEBOUNCE)
    this.#say(`${when}, good records wait ${delay} ms`)
    return delay
  }

  /** Lets the database take the refused records, and measures how fast they heal. */
  async #heal(): Promise<{ firstHealMs: number; healedPerSecond: number }> {
    await this.#query('alter table "Counter" drop constraint small')
    const mended = performance.now()
    await this.#untilParked('the first record to heal', (parked) => parked < REFUSED)
    const started = performance.now()
    await this.#untilParked('all records to heal', (parked) => parked === 0)
    const seconds = (performance.now() - started) / 1000
    return { firstHealMs: Math.round(started - mended), healedPerSecond: Math.round(REFUSED / seconds) }
  }

  async #write(prefix: string, total: number): Promise<void> {
    await Promise.all(Array.from({ length: total }, (_, n) => this.#cache.counter.set({ name: `${prefix}${n}` }, { value: n })))
  }

  async #count(prefix: string): Promise<number> {
    const [row] = await this.#query<{ n: number }>(`select count(*)::int as n from "Counter" where name like '${prefix}%'`)
    return row?.n ?? 0
  }

  async #untilParked(what: string, isReached: (parked: number) => boolean): Promise<void> {
    const condition = async () => isReached((await this.#cache.status()).reduce((total, { parked }) => total + parked, 0))
    await until(what, TIMEOUT, condition)
  }
}
