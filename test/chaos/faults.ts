/** Faults of processes, servers, links and queues. All acknowledged writes must arrive in spite of them. Each fault ends by itself. */
import { models } from '../../generated/write-behind.js'
import type { Random } from '../random.js'
import { persistently } from './child.js'
import type { Member } from './fleet.js'
import { OUTSIDE } from './outside.js'
import type { TcpProxy } from './proxy.js'
import { deleteQueues, MODELS, SHARDS, withQueue } from './queues.js'
import type { Stage } from './stage.js'
import { type Fault, type Scene, type Strike, sleep } from './strike.js'

export const FAULTS: readonly Fault[] = [
  { weight: 10, pick: ({ fleet }, random) => kill(random.pick(fleet.workers)) },
  { weight: 6, pick: ({ fleet }, random) => kill(random.pick(fleet.writers)) },
  // This is longer than BullMQ's lock (5 s) and its check for stalled jobs (2 s).
  { weight: 8, pick: ({ fleet }, random) => stop(random.pick(fleet.workers), random.integer(7500, 12_000)) },
  // This may be longer than a write's timeout (4 s).
  { weight: 5, pick: ({ fleet }, random) => stop(random.pick(fleet.writers), random.integer(500, 8000)) },
  { weight: 6, pick: ({ stage }, random) => restart('PostgreSQL', postgresOf(stage), random.integer(0, 2000)) },
  { weight: 6, pick: ({ stage }, random) => restart('Redis', redisOf(stage), random.integer(0, 1500)) },
  { weight: 5, pick: ({ stage }, random) => fillRedisDisk(stage, random.integer(300, 6000)) },
  { weight: 10, pick: (scene, random) => onLink(scene, random, 'cut', (proxy) => cut(proxy, random)) },
  { weight: 8, pick: (scene, random) => onLink(scene, random, 'delay', (proxy) => delay(proxy, random)) },
  { weight: 8, pick: (scene, random) => onLink(scene, random, 'drop', (proxy) => drop(proxy, random)) },
  { weight: 8, pick: (scene, random) => onLink(scene, random, 'half-open', (proxy) => halfOpen(proxy, random)) },
  { weight: 12, pick: (scene, random) => onLink(scene, random, 'swallow replies', (proxy) => swallow(proxy, random)) },
  {
    weight: 6,
    pick: ({ stage }) => ({ what: 'delete all BullMQ keys', uses: 'queue', run: () => persistently(() => deleteQueues(stage)) }),
  },
  { weight: 6, pick: ({ stage }, random) => duplicate(stage, random) },
  { weight: 6, pick: ({ stage }, random) => pauseQueues(stage, random.integer(500, 3000)) },
  ...OUTSIDE,
]

function kill(member: Member): Strike {
  return { what: `SIGKILL ${member.name}`, uses: member.name, run: async () => member.signal('SIGKILL') }
}

function stop(member: Member, ms: number): Strike {
  const run = async (ended: AbortSignal) => {
    member.signal('SIGSTOP')
    await sleep(ms, ended)
    member.signal('SIGCONT')
  }
  return { what: `SIGSTOP ${member.name} for ${ms} ms`, uses: member.name, run }
}

interface Restartable {
  kill(): Promise<void>
  start(): Promise<void>
}

function restart(name: string, { kill, start }: Restartable, ms: number): Strike {
  const run = async (ended: AbortSignal) => {
    await kill()
    await sleep(ms, ended)
    await start()
  }
  return { what: `SIGKILL ${name}, back after ${ms} ms`, uses: name, run }
}

function postgresOf(stage: Stage): Restartable {
  return { kill: () => stage.postgres.kill('SIGKILL'), start: () => stage.startPostgres() }
}

function redisOf(stage: Stage): Restartable {
  return { kill: () => stage.redisServer.kill('SIGKILL'), start: () => stage.startRedis() }
}

/** Redis must not be killed while it has writes that its disk did not take, because they would be lost. `uses` keeps the two faults apart. */
function fillRedisDisk(stage: Stage, ms: number): Strike {
  return { what: `disk of Redis full for ${ms} ms`, uses: 'Redis', run: (ended) => stage.fillRedisDisk(() => sleep(ms, ended)) }
}

type LinkStrike = readonly [detail: string, run: (ended: AbortSignal) => unknown]

function onLink({ stage }: Scene, random: Random, what: string, prepare: (proxy: TcpProxy) => LinkStrike): Strike {
  const isRedis = random.chance(0.5)
  const [detail, run] = prepare(isRedis ? stage.redisProxy : stage.postgresProxy)
  const link = isRedis ? 'link to Redis' : 'link to PostgreSQL'
  return { what: `${link}: ${what} ${detail}`, uses: `${link}, ${what}`, run: async (ended) => run(ended) }
}

function cut(proxy: TcpProxy, random: Random): LinkStrike {
  const share = random.chance(0.5) ? 1 : random.between(0.2, 0.8)
  return [`${Math.round(share * 100)} %`, () => proxy.cut(share, random)]
}

function delay(proxy: TcpProxy, random: Random): LinkStrike {
  const [delay, ms] = [random.integer(5, 300), random.integer(300, 2500)]
  const run = async (ended: AbortSignal) => {
    proxy.delay = delay
    await sleep(ms, ended)
    proxy.delay = 0
  }
  return [`${delay} ms for ${ms} ms`, run]
}

function drop(proxy: TcpProxy, random: Random): LinkStrike {
  const ms = random.integer(300, 6000)
  const run = async (ended: AbortSignal) => {
    proxy.dropping = true
    await sleep(ms, ended)
    proxy.dropping = false
  }
  return [`everything for ${ms} ms`, run]
}

function halfOpen(proxy: TcpProxy, random: Random): LinkStrike {
  const direction = random.pick(['request', 'reply'] as const)
  const share = random.between(0.2, 1)
  return [`${Math.round(share * 100)} %, no ${direction} passes`, () => proxy.halfOpen(direction, share, random)]
}

function swallow(proxy: TcpProxy, random: Random): LinkStrike {
  const replies = random.integer(1, 5)
  return [`(${replies})`, () => proxy.swallow(replies)]
}

/** Adds more jobs without deduplication, so that several flushers work on each shard at once. */
function duplicate(stage: Stage, random: Random): Strike {
  const [model, jobs] = [random.pick(MODELS), random.integer(10, 100)]
  const shards = Array.from({ length: jobs }, () => random.integer(0, SHARDS - 1))
  const run = () =>
    withQueue(stage, model, async (queue) => {
      const { name } = models[model]
      await queue.addBulk(shards.map((shard) => ({ name: 'duplicate', data: { kind: 'shard', model: name, shard }, opts: KEEP_NONE })))
    })
  return { what: `${jobs} duplicated jobs of ${model}`, uses: 'queue', run }
}

const KEEP_NONE = { removeOnComplete: true, attempts: 20, backoff: { type: 'custom' } }

function pauseQueues(stage: Stage, ms: number): Strike {
  const run = async (ended: AbortSignal) => {
    for (const model of MODELS) await withQueue(stage, model, (queue) => queue.pause())
    await sleep(ms, ended)
    await resumeQueues(stage)
  }
  return { what: `queues paused for ${ms} ms`, uses: 'queue', run }
}

export async function resumeQueues(stage: Stage): Promise<void> {
  for (const model of MODELS) await withQueue(stage, model, (queue) => queue.resume())
}
