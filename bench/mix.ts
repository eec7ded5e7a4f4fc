import type { FigureName } from './figures.js'
import { generator, throughput } from './load.js'
import { at, type Context, ioredisPeers, type Measure, names, OURS } from './measure.js'
import { against, alternate, inBrief } from './rounds.js'
import { QUIET } from './stage.js'

/**
 * The traffic of write-heavy production caches, as Yang, Yue and Rashmi (OSDI 2020) describe it for clusters at Twitter. Nearly all operations are
 * writes, most records are written once or twice, and values are short.
 */
interface Shape {
  readonly incrementShare: number
  /** The share of writes that go to a record that was written before. */
  readonly repeatShare: number
}

interface Write {
  readonly key: string
  /** The text to set. Undefined means an increment. */
  readonly text: string | undefined
}

/** A repeated write goes to one of this many records, those that were written last. */
const REMEMBERED = 1000
const SHORTEST = 15
const LONGEST = 100

export const mixMeasures: readonly Measure[] = [
  measure('mixVsSetIncrby', { incrementShare: 0.3, repeatShare: 0.3 }),
  measure('setsVsSet', { incrementShare: 0, repeatShare: 0.3 }),
]

function measure(figure: FigureName, shape: Shape): Measure {
  return {
    figures: [figure],
    run: async (context) => {
      const writes = traffic(shape, context.sizes.writes)
      const peers = ioredisPeers(
        context.stage,
        shape.incrementShare > 0 ? 'ioredis SET and INCRBY' : 'ioredis SET',
        writes.length,
        (redis, count) =>
          timed(context, count, writes, ({ key, text }) => (text === undefined ? redis.incrby(key, 1) : redis.set(key, text))),
      )
      const cache = await context.stage.openCache('bench-mix', { counter: QUIET, document: QUIET })
      const write = ({ key, text }: Write) => {
        if (text === undefined) return cache.counter.increment({ name: key }, { value: 1 })
        return cache.document.update({ where: { id: key }, data: { note: text } })
      }
      const ours = { name: OURS, count: writes.length, run: (count: number) => timed(context, count, writes, write) }
      const samples = await alternate(inBrief(context.sizes), [ours, ...peers])
      return { [figure]: against(samples, OURS, names(peers)) }
    },
  }
}

async function timed(
  { stage, sizes }: Context,
  count: number,
  writes: readonly Write[],
  write: (write: Write) => Promise<unknown>,
): Promise<number> {
  await stage.emptyRedis()
  return throughput(count, sizes.inFlight, (n) => write(at(writes, n)))
}

function traffic({ incrementShare, repeatShare }: Shape, count: number): Write[] {
  const random = generator(11)
  const below = (limit: number) => Math.floor(random() * limit)
  let records = 0
  return Array.from({ length: count }, () => {
    const isRepeat = records > 0 && random() < repeatShare
    const record = isRepeat ? records - 1 - below(Math.min(records, REMEMBERED)) : records++
    // The number of a record decides whether it is a counter or a text.
    const isCounter = (record * 0.618) % 1 < incrementShare
    const text = isCounter ? undefined : 'v'.repeat(SHORTEST + below(LONGEST - SHORTEST + 1))
    return { key: `${isCounter ? 'counter' : 'session'}-${record}`, text }
  })
}
