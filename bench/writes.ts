import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import type { FigureName } from './figures.js'
import { generator, throughput, zipf } from './load.js'
import { at, type Context, ioredisPeers, keysOf, type Measure, names, OURS } from './measure.js'
import { against, alternate, type Contender, inBrief, inLongRuns, type Patience } from './rounds.js'
import type { Sizes } from './sizes.js'
import { QUIET, type Stage } from './stage.js'

const ZIPF_EXPONENT = 1.2

/** Measures acknowledged writes of one process, without a worker. */
export const writeMeasures: readonly Measure[] = [
  measure(
    'distinctVsSet',
    sets(
      ({ sizes }) => keysOf('distinct', sizes.writes),
      () => [],
    ),
  ),
  measure(
    'dirtyVsSet',
    sets(uniform, ({ sizes }) => keysOf('uniform', sizes.records)),
  ),
  measure('zipfVsIncrby', increments(zipfKeys)),
  measure(
    'hotVsIncrby',
    increments(({ sizes }) => Array(sizes.increments).fill('hot')),
    inBrief,
  ),
  measure(
    'writeVsQueueAdd',
    async (context) => [await incrementing(context, zipfKeys(context), context.sizes.queueAdds), ...adding(context)],
    inLongRuns,
  ),
]

type Field = (context: Context) => Promise<readonly Contender[]>
type Keys = (context: Context) => readonly string[]

/** @param field its first contender is ours */
function measure(figure: FigureName, field: Field, patienceFor: (sizes: Sizes) => Patience = (sizes) => sizes): Measure {
  return {
    figures: [figure],
    run: async (context) => {
      const contenders = await field(context)
      const samples = await alternate(patienceFor(context.sizes), contenders)
      return { [figure]: against(samples, OURS, names(contenders.slice(1))) }
    },
  }
}

/** @param dirtyFor names the records that are written before the clock starts */
function sets(keysFor: Keys, dirtyFor: Keys): Field {
  return async (context) => {
    const { stage, sizes } = context
    const keys = keysFor(context)
    const before = dirtyFor(context)
    const cache = await stage.openCache('bench-sets', { counter: QUIET })
    const set = (name: string, value: number) => cache.counter.upsert({ where: { name }, create: { name, value }, update: { value } })
    const run = (each: (name: string, value: number) => Promise<unknown>) => async (count: number) => {
      await prepare(stage, before, sizes.inFlight, each)
      return throughput(count, sizes.inFlight, (n) => each(at(keys, n), n))
    }
    return [
      { name: OURS, count: keys.length, run: run(set) },
      ...ioredisPeers(stage, 'ioredis SET', keys.length, (redis, count) => run((name, value) => redis.set(name, value))(count)),
    ]
  }
}

async function prepare(
  stage: Stage,
  keys: readonly string[],
  inFlight: number,
  write: (key: string, value: number) => Promise<unknown>,
): Promise<void> {
  await stage.emptyRedis()
  await throughput(keys.length, inFlight, (n) => write(at(keys, n), n))
}

function increments(keysFor: Keys): Field {
  return async (context) => {
    const { stage, sizes } = context
    const keys = keysFor(context)
    const peers = ioredisPeers(stage, 'ioredis INCRBY', sizes.writes, async (redis, count) => {
      await stage.emptyRedis()
      return throughput(count, sizes.inFlight, (n) => redis.incrby(at(keys, n), 1))
    })
    return [await incrementing(context, keys, keys.length), ...peers]
  }
}

async function incrementing({ stage, sizes }: Context, keys: readonly string[], count: number): Promise<Contender> {
  const cache = await stage.openCache('bench-increments', { counter: QUIET })
  const run = async (writes: number) => {
    await stage.emptyRedis()
    return throughput(writes, sizes.inFlight, (n) => cache.counter.increment({ name: at(keys, n % keys.length) }, { value: 1 }))
  }
  return { name: OURS, count, run }
}

/** Uses the cheapest mode of BullMQ: it drops a job whose id waits already. */
function adding(context: Context): Contender[] {
  const { stage, sizes } = context
  const keys = zipfKeys(context)
  const connection = new Redis(stage.addresses.redisUrl, { maxRetriesPerRequest: null })
  const queue = new Queue('bench-adds', { connection })
  stage.onClose(async () => {
    await queue.close()
    connection.disconnect()
  })
  const run = async (count: number) => {
    await stage.emptyRedis()
    return throughput(count, sizes.inFlight, (n) => {
      const name = at(keys, n % keys.length)
      return queue.add('increment', { name, value: 1 }, { deduplication: { id: name }, delay: QUIET.debounce })
    })
  }
  return [{ name: 'queue.add, deduplicated', count: sizes.queueAdds, run }]
}

function zipfKeys({ sizes }: Context): string[] {
  const keys = keysOf('zipf', sizes.records)
  return Array.from(zipf(sizes.records, ZIPF_EXPONENT, sizes.increments), (key) => at(keys, key))
}

function uniform({ sizes }: Context): string[] {
  const keys = keysOf('uniform', sizes.records)
  const random = generator(7)
  return Array.from({ length: sizes.writes }, () => at(keys, Math.floor(random() * keys.length)))
}
