import { Random } from '../random.js'
import { type Batch, type Counts, Database, Redis, type Rule, type Snapshot } from './parts.js'

const KEYS = ['a', 'b', 'c', 'd']
const STEPS = 300
const LOST_REPLIES = 0.2
/** At this step Redis is copied. */
const COPIED_AT = 120
/** At this step Redis is emptied, or replaced by the copy. */
const FAULT_AT = 160

/** `reset` empties Redis during the play, `rollback` puts it back in time. */
export type Fault = 'none' | 'reset' | 'rollback'

export interface Findings {
  /** True when a row lacks acknowledged writes, or has some of them twice. */
  wrongRow: boolean
  wrongView: boolean
  stuck: boolean
}

interface World {
  readonly random: Random
  readonly database: Database
  readonly leftOut: Rule | undefined
  redis: Redis
}

class Flusher {
  #step: 'claim' | 'persist' | 'verify' | 'void' | 'refuse' | 'acknowledge' = 'claim'
  #batch: Batch | undefined
  #ledger: string | null = null

  /** Lets the flusher die, and starts another one. */
  restart(): void {
    this.#step = 'claim'
  }

  run({ redis, database, random, leftOut }: World, key?: string): void {
    if (this.#step === 'claim') {
      this.#batch = redis.claim(random, key)
      if (this.#batch !== undefined) this.#step = 'persist'
      return
    }
    const batch = this.#batch as Batch
    const current = this.#step
    this.#step = 'claim'
    if (current === 'persist') this.#persist(database, random, batch, leftOut)
    else if (current === 'void') this.#step = database.void(batch) ? 'refuse' : 'persist'
    else if (current === 'refuse') redis.refuse(batch.id)
    else if (current === 'acknowledge') redis.acknowledge(batch.id, this.#ledger)
    else if (redis.isInFlight(batch.id) && leftOut !== 'adopt') {
      this.#batch = { ...batch, previous: this.#ledger }
      this.#step = 'persist'
    }
  }

  #persist(database: Database, random: Random, batch: Batch, leftOut: Rule | undefined): void {
    const outcome = database.persist(batch)
    this.#ledger = database.ledger
    if (outcome === 'applied' && random.chance(LOST_REPLIES)) this.#step = 'persist'
    else if (outcome === 'applied' || outcome === 'applied before') this.#step = 'acknowledge'
    else if (outcome === 'elsewhere') this.#step = 'verify'
    else this.#step = outcome === 'void' || leftOut === 'void' ? 'refuse' : 'void'
  }
}

class Reader {
  #key = 'a'
  #snapshot: Snapshot | undefined
  #state: string | undefined

  run({ redis, database, random }: World): void {
    if (this.#snapshot === undefined) {
      if (this.#state === undefined) this.#key = random.pick(KEYS)
      this.#snapshot = database.snapshot(this.#key)
    } else {
      this.#state = redis.load(this.#key, this.#snapshot, this.#state)
      this.#snapshot = undefined
    }
  }
}

/** Plays one random order of the steps of three flushers and two readers, with pauses, deaths, lost replies and refused rows. */
export function play(seed: number, fault: Fault, leftOut?: Rule): Findings {
  const random = new Random(seed)
  let ids = 0
  const newId = () => `${seed}-${++ids}`
  const world: World = { random, leftOut, database: new Database(leftOut), redis: new Redis(newId, leftOut) }
  const flushers = [new Flusher(), new Flusher(), new Flusher()]
  const readers = [new Reader(), new Reader()]
  const written: Counts = {}
  /** What must arrive at least. After a fault, the writes that the copy lacks are lost. */
  let least: Counts = {}
  let copy = { redis: world.redis, least }
  let wrongView = false
  for (let n = 0; n < STEPS; n++) {
    if (n === COPIED_AT) copy = { redis: world.redis.copy(), least: { ...least } }
    if (n === FAULT_AT && fault !== 'none') {
      world.redis = fault === 'reset' ? new Redis(newId, leftOut) : copy.redis
      least = fault === 'reset' ? { ...world.database.row } : { ...copy.least }
    }
    step(world, flushers, readers, (key) => {
      for (const counts of [written, least]) counts[key] = (counts[key] ?? 0) + 1
    })
    if (fault === 'none') wrongView ||= Object.entries(world.redis.view).some(([key, value]) => value !== (written[key] ?? 0))
  }
  const stuck = !drain(world, flushers)
  const wrongRow = KEYS.some((key) => {
    const value = world.database.row[key] ?? 0
    return value < (least[key] ?? 0) || (fault !== 'rollback' && value > (written[key] ?? 0))
  })
  return { wrongRow, wrongView, stuck }
}

function step(world: World, flushers: readonly Flusher[], readers: readonly Reader[], onWrite: (key: string) => void): void {
  const { random, database, redis } = world
  const dice = random.next()
  if (dice < 0.2) {
    const key = random.pick(KEYS)
    redis.write(key)
    onWrite(key)
  } else if (dice < 0.62) random.pick(flushers).run(world)
  else if (dice < 0.65) random.pick(flushers).run(world, random.pick(KEYS))
  else if (dice < 0.88) random.pick(readers).run(world)
  else if (dice < 0.92) database.refused = database.refused === undefined ? 'a' : undefined
  else if (dice < 0.96) redis.expire(random.pick(KEYS))
  else random.pick(flushers).restart()
}

/** Continues without refused rows until nothing is left. Returns false when that does not happen. */
function drain(world: World, flushers: readonly Flusher[]): boolean {
  world.database.refused = undefined
  for (let n = 0; n < 4000 && !world.redis.isIdle; n++) {
    const key = world.random.chance(0.3) ? world.random.pick(KEYS) : undefined
    world.random.pick(flushers).run(world, key)
  }
  return world.redis.isIdle
}
