import type { FigureName } from './figures.js'
import { generator, throughput } from './load.js'
import { at, type Context, ioredisPeers, type Measure, names, OURS } from './measure.js'
import { against, alternate, inBrief } from './rounds.js'
import { QUIET } from './stage.js'

/**
 * The shapes of write-heavy production caches (Yang, Yue and Rashmi, OSDI 2020, describe such clusters at Twitter): nearly all
 * operations are writes, most records are written once or twice before they are forgotten, values are short.
 */
interface Shape {
  readonly incrementShare: number
  /** Of the writes, those to a record that was written before. */
  readonly repeatShare: number
}

interface Write {
  readonly key: string
  /** Undefined: an increment. */
  readonly text: string | undefined
}

/** A repeat is of one of the last so many records. */
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
    // A record is either a counter or a text, always.
    const isCounter = (record * 0.618) % 1 < incrementShare
    const text = isCounter ? undefined : 'v'.repeat(SHORTEST + below(LONGEST - SHORTEST + 1))
    return { key: `${isCounter ? 'counter' : 'session'}-${record}`, text }
  })
}
