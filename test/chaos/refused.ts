import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import type { Query } from './audit.js'
import { until } from './until.js'

const REFUSED = 20_000
const GOOD = 1000
const TIMEOUT = 600_000
/** Required: good records behind the refused ones are in the database within ms of their debounce, and parked ones heal at so many a second. */
const LONGEST_DELAY = 3000
const SLOWEST_HEAL = 5000

interface Servers {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
  readonly query: Query
}

/** The database refuses 20,000 records; good ones become due after them; then the database is mended. By default settings, one worker. */
export async function measureRefused({ redisUrl, databaseUrl, namespace, query }: Servers, say: (line: string) => void) {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  const redis = new Redis(redisUrl, { lazyConnect: true })
  const cache = await createWriteBehind({ prisma, redis, models, namespace, policies: { counter: {} } })
  const count = async (prefix: string) => {
    const [row] = await query<{ n: number }>(`select count(*)::int as n from "Counter" where name like '${prefix}%'`)
    return row?.n ?? 0
  }
  const parked = async () => (await cache.status()).reduce((total, each) => total + each.parked, 0)
  const write = (prefix: string, total: number) =>
    Promise.all(Array.from({ length: total }, (_, n) => cache.counter.set({ name: `${prefix}${n}` }, { value: n })))
  /** Ms until the good ones are there, without their debounce, 1 s. */
  const delayOfGood = async (prefix: string) => {
    await sleep(200)
    await write(prefix, GOOD)
    const written = performance.now()
    await until(
      TIMEOUT,
      () => prefix,
      async () => (await count(prefix)) === GOOD,
    )
    return Math.round(performance.now() - written - 1000)
  }
  try {
    await query(`alter table "Counter" add constraint small check (name not like 'refused%')`)
    await cache.startWorker()
    await write('refused', REFUSED)
    const first = await delayOfGood('first')
    say(`good ones behind refused ones: ${first} ms`)
    await until(
      TIMEOUT,
      () => 'all are parked',
      async () => (await parked()) === REFUSED,
    )
    const amongRetries = await delayOfGood('later')
    say(`good ones while ${REFUSED} are retried: ${amongRetries} ms`)
    await write('refused', REFUSED)
    const again = await delayOfGood('again')
    say(`good ones behind refused ones that were written again: ${again} ms`)
    await until(
      TIMEOUT,
      () => 'all are parked',
      async () => (await parked()) === REFUSED,
    )
    await query('alter table "Counter" drop constraint small')
    const mended = performance.now()
    await until(
      TIMEOUT,
      () => 'the first heals',
      async () => (await parked()) < REFUSED,
    )
    const started = performance.now()
    await until(
      TIMEOUT,
      () => 'all are healed',
      async () => (await parked()) === 0,
    )
    const seconds = (performance.now() - started) / 1000
    const rate = Math.round(REFUSED / seconds)
    const healed = (await count('refused')) === REFUSED
    const figures = {
      measure: 'refused',
      refused: REFUSED,
      firstDelayMs: first,
      retryDelayMs: amongRetries,
      againDelayMs: again,
      firstHealMs: Math.round(started - mended),
      healedPerSecond: rate,
    }
    return { figures, isGood: healed && Math.max(first, amongRetries, again) <= LONGEST_DELAY && rate >= SLOWEST_HEAL }
  } finally {
    await cache.close()
    await prisma.$disconnect()
    redis.disconnect()
  }
}
