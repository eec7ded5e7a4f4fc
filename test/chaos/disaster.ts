/** Disasters in which Redis loses its data, or a part of it. Writes acknowledged before may be lost. Writes acknowledged afterwards may not. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../random.js'
import { until } from '../until.js'
import type { Amnesty } from './checker.js'
import type { Stage } from './stage.js'

export const DISASTERS = ['emptied', 'put back', 'replica promoted'] as const
export type Disaster = (typeof DISASTERS)[number]

/** Every shard must go on within this many ms. */
const GO_ON = 10_000

export interface Aftermath extends Amnesty {
  readonly disaster: Disaster
  /** Ms until the last shard had a new batch in the database. */
  readonly wentOnAfter: number
  /** Shards that did not go on in time. */
  readonly stuck: readonly string[]
}

const ACTIONS: Readonly<Record<Disaster, (stage: Stage, random: Random) => Promise<void>>> = {
  emptied: async ({ redis }) => {
    await redis.flushall()
  },
  'put back': async (stage, random) => {
    const copy = await stage.copyRedis()
    await sleep(random.between(500, 4000))
    await stage.putBackRedis(copy)
  },
  'replica promoted': async (stage, random) => {
    const replica = await stage.startReplica()
    await sleep(random.between(200, 2000))
    await stage.promote(replica)
  },
}

/** Makes the disaster while the writers write, and watches whether every shard goes on. */
export async function strike(disaster: Disaster, stage: Stage, random: Random): Promise<Aftermath> {
  await ACTIONS[disaster](stage, random)
  // A call of this same millisecond may have been made before the disaster.
  const happened = Date.now() + 1
  const before = await ledgers(stage)
  const started = performance.now()
  let stuck: string[] = []
  const haveMoved = async () => {
    const now = await ledgers(stage)
    stuck = [...before].filter(([shard, batch]) => now.get(shard) === batch).map(([shard]) => shard)
    return stuck.length === 0
  }
  await until('shards to go on', GO_ON, haveMoved).catch(() => {})
  return { disaster, until: happened, mayRepeat: disaster !== 'emptied', wentOnAfter: Math.round(performance.now() - started), stuck }
}

async function ledgers(stage: Stage): Promise<Map<string, string>> {
  const rows = await stage.query<{ shard: string; batch: string }>(
    `select shard, batch from write_behind_ledger where shard not like '%:identity'`,
  )
  return new Map(rows.map(({ shard, batch }) => [shard, batch]))
}
