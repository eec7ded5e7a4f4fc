import { throughput } from './load.js'
import { at, keysOf, type Measure, OURS } from './measure.js'
import { alone, alternate } from './rounds.js'
import { QUIET, type Stage } from './stage.js'

/** Measures by how many bytes a dirty record of Counter grows Redis' memory, without the bytes of its field names and values. */
export const memoryMeasure: Measure = {
  figures: ['bytesPerDirty'],
  run: async (context) => {
    const { stage, sizes } = context
    const cache = await stage.openCache('bench-memory', { counter: QUIET })
    const run = async (count: number) => {
      await stage.emptyRedis()
      const before = await memory(stage)
      const keys = keysOf('dirty', count)
      await throughput(count, sizes.inFlight, (n) => cache.counter.increment({ name: at(keys, n) }, { value: 1 }))
      const content = keys.reduce((total, key) => total + `name${key}value1`.length, 0)
      return ((await memory(stage)) - before - content) / count
    }
    const samples = await alternate(sizes, [{ name: OURS, count: sizes.increments, run }])
    return { bytesPerDirty: alone(samples, OURS) }
  },
}

/** Resolves to the bytes of the data, without the buffers of connections and of the AOF. */
async function memory({ redis }: Stage): Promise<number> {
  const info = await redis.info('memory')
  const of = (name: string) => Number(info.match(new RegExp(`^${name}:(\\d+)`, 'm'))?.[1])
  return of('used_memory') - of('mem_clients_normal') - of('mem_aof_buffer')
}
