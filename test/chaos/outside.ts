/**
 * Faults that come from outside the library and its servers: a setting of a server, a button that an operator presses, another application on the
 * same Redis, a record that the database refuses. All acknowledged writes must arrive when the fault has ended.
 */
import type { Queue } from 'bullmq'
import { models } from '../../generated/write-behind.js'
import { shardPrefix } from '../../src/redis/keys.js'
import type { Random } from '../random.js'
import { persistently } from './child.js'
import { counterName, pagePath, playerId, RECORDS, WRITERS } from './operation.js'
import { deleteQueues, MODELS, type ModelName, SHARDS, withQueue } from './queues.js'
import type { Stage } from './stage.js'
import { type Fault, type Strike, sleep } from './strike.js'

export const OUTSIDE: readonly Fault[] = [
  { weight: 8, pick: ({ stage }, random) => forbid(stage, random.pick(COMMANDS), random.integer(200, 3000)) },
  { weight: 3, pick: ({ stage }) => ({ what: 'Redis: failover, sockets are kept', uses: 'Redis', run: () => stage.failOver() }) },
  { weight: 4, pick: ({ stage }, random) => mayEvict(stage, random.pick(POLICIES), random.integer(500, 5000)) },
  { weight: 8, pick: ({ stage }, random) => poison(stage, random) },
  { weight: 2, pick: ({ stage }, random) => bomb(stage, random.integer(1, 30) * 2 ** 20, random.integer(1000, 5000)) },
  { weight: 6, pick: ({ stage }, random) => craft(stage, random) },
  { weight: 3, pick: ({ stage }) => ({ what: 'a second application', uses: 'second application', run: () => stage.letInSecond() }) },
]

/** Commands that the scripts, the library and BullMQ send. */
const COMMANDS =
  'append bzpopmin copy del evalsha exists get getdel hdel hexists hget hgetall hincrby hlen hmget hset incr info lpush mget pexpire persist pttl rename rpush set strlen time unlink xadd zadd zcard zrange zrangebyscore zrank zrem zremrangebyrank zscore'.split(
    ' ',
  )
const POLICIES = ['allkeys-lru', 'allkeys-random', 'volatile-ttl'] as const

/** SQLSTATEs of every class that a trigger can raise. */
const STATES =
  '02000 03000 08006 09000 0A000 0B000 0F000 0L000 0P000 0Z000 20000 21000 22000 23000 24000 25000 26000 27000 28000 2B000 2D000 2F000 34000 38000 39000 3B000 3D000 3F000 40001 42000 42P05 44000 45000 53000 54000 55000 57014 57P01 58000 72000 F0000 HV000 P0001 XX000 XX001'.split(
    ' ',
  )

function forbid(stage: Stage, command: string, ms: number): Strike {
  const run = async (ended: AbortSignal) => {
    await persistently(() => stage.allow(`-${command}`))
    await sleep(ms, ended)
    await persistently(() => stage.allow('+@all'))
  }
  return { what: `Redis: ACL without ${command} for ${ms} ms`, uses: 'ACL', run }
}

/** Gives Redis an eviction policy. Redis evicts nothing, because its memory has no limit. */
function mayEvict(stage: Stage, policy: string, ms: number): Strike {
  const run = async (ended: AbortSignal) => {
    await persistently(() => stage.redis.config('SET', 'maxmemory-policy', policy))
    await sleep(ms, ended)
    await persistently(() => stage.redis.config('SET', 'maxmemory-policy', 'noeviction'))
  }
  return { what: `Redis: maxmemory-policy ${policy} for ${ms} ms`, uses: 'eviction', run }
}

/**
 * A trigger refuses some records with one SQLSTATE: for some seconds, or until all other records have arrived after the cycle. The latter shows
 * that refused records do not hold other records up.
 */
function poison(stage: Stage, random: Random): Strike {
  const [state, ms, lasts] = [random.pick(STATES), random.integer(500, 8000), random.chance(0.5)]
  const records = Array.from({ length: random.pick([1, 1, 3, 30]) }, () => anyRecord(random))
  const run = async (ended: AbortSignal) => {
    await persistently(() => stage.poison.refuse(records, state))
    await sleep(ms, ended)
    if (!lasts) await persistently(() => stage.poison.cure(state))
  }
  const what = `${records.length} records refused with ${state} ${lasts ? 'until the others have arrived' : `for ${ms} ms`}`
  return { what, uses: 'poison', run }
}

function anyRecord(random: Random): string {
  const writer = random.integer(0, WRITERS - 1)
  switch (random.pick(MODELS)) {
    case 'counter':
      return counterName(random.integer(0, RECORDS.counter - 1))
    case 'pageView':
      return pagePath(writer, random.integer(0, RECORDS.pageView - 1))
    case 'player':
      return playerId(writer, random.integer(0, RECORDS.player - 1))
  }
}

/** Writes a text that exceeds every limit, as an older release might have stored it. The database refuses it too. */
function bomb(stage: Stage, bytes: number, ms: number): Strike {
  const run = async (ended: AbortSignal) => {
    await persistently(() => stage.poison.writeBomb(bytes))
    await sleep(ms, ended)
    await persistently(() => stage.poison.deleteBomb())
  }
  return { what: `a name of ${bytes} bytes, for ${ms} ms`, uses: 'bomb', run }
}

const FAR = 10 * 365 * 86_400_000

type Crafted = readonly [what: string, add: (queue: Queue, model: string, shard: number, namespace: string) => Promise<unknown>]

const CRAFTED: readonly Crafted[] = [
  [
    'a parent among our keys',
    (queue, model, shard, namespace) =>
      queue.add('x', {}, {
        attempts: 1,
        failParentOnFailure: true,
        parent: parentOf(shardPrefix(namespace, model, shard)),
      } as never),
  ],
  ['the id of a list', (queue, model, shard) => queue.add('x', { kind: 'shard', model, shard }, { jobId: 'wait' })],
  ['the id of the events', (queue) => queue.add('x', {}, { jobId: 'events' })],
  [
    'a delay of years in the place of an alarm',
    (queue, model, shard) =>
      queue.add('x', { kind: 'shard', model, shard }, { delay: FAR, deduplication: { id: `shard/${shard}`, keepLastIfActive: true } }),
  ],
  ['a key that is a list', (queue, model, shard) => queue.add('x', { kind: 'parked', model, shard, key: ['a', 'b'] }, { attempts: 1 })],
  ['a shard out of range', (queue, model) => queue.add('x', { kind: 'shard', model, shard: 1e9 }, { attempts: 1 })],
  ['no data', (queue) => queue.add('x', null, { attempts: 1 })],
  ['a limit of one job in five seconds', (queue) => queue.setGlobalRateLimit(1, 5000)],
]

/** BullMQ joins the queue and the id of a parent with a colon. This makes a parent that lies among our own keys. */
function parentOf(prefix: string): { id: string; queue: string } {
  const key = `${prefix}packed`
  const colon = key.lastIndexOf(':')
  return { queue: key.slice(0, Math.max(0, colon)), id: key.slice(colon + 1) }
}

/** Adds a job as Bull Board's form or another application can. Then an operator obliterates the queue. */
function craft(stage: Stage, random: Random): Strike {
  const model: ModelName = random.pick(MODELS)
  const [what, add] = random.pick(CRAFTED)
  const [shard, ms] = [random.integer(0, SHARDS - 1), random.integer(500, 6000)]
  const run = async (ended: AbortSignal) => {
    // A queue that an earlier job has broken refuses this job.
    await withQueue(stage, model, (queue) => add(queue, models[model].name, shard, stage.namespace).catch(() => {}))
    await sleep(ms, ended)
    await persistently(() => deleteQueues(stage))
  }
  return { what: `a job for ${model}: ${what}, for ${ms} ms`, uses: 'queue', run }
}
