import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../random.js'
import { until } from '../until.js'
import { installAudit, readRows, takeSteps } from './audit.js'
import { check, type Finding, isHarm, type Rows } from './checker.js'
import { type Aftermath, DISASTERS, type Disaster, strike } from './disaster.js'
import { countKeys, type Keys, type Leftover, leftovers, naiveLeftovers } from './drain.js'
import { resumeQueues } from './faults.js'
import { Fleet } from './fleet.js'
import { History } from './history.js'
import { Nemesis } from './nemesis.js'
import type { ChaosOptions } from './options.js'
import { MODELS, SHARDS } from './queues.js'
import { Stage } from './stage.js'
import { type Counts, type CycleReport, isClean, Tally } from './tally.js'

const START_TIMEOUT = 60_000
/** Every call ends within this many ms. */
const SETTLE_TIMEOUT = 15_000
const DRAIN_TIMEOUT = 45_000
/** One cycle in so many has a disaster. */
const CYCLES_A_DISASTER = 4
/**
 * Each shard keeps the keys `acked`, `stats`, `epoch`, and a `draft` when a script stopped half-way. The namespace keeps two keys: the numbers of
 * shards, and the identity of its database.
 */
const MAX_LASTING_KEYS = MODELS.length * SHARDS * 4 + 2
/** This many findings of a cycle are printed. */
const MAX_TOLD = 20

/** Plays cycle after cycle: chaos, heal, drain, check. */
export class Run {
  readonly #options: ChaosOptions
  readonly #say: (line: string) => void
  readonly #stage: Stage
  readonly #fleet: Fleet
  readonly #history = new History()
  readonly #tally = new Tally()
  readonly #started = performance.now()
  #rows: Rows = new Map()
  #adopted = 0
  #failures = new Map<string, number>()
  #parked: string[] = []

  private constructor(options: ChaosOptions, say: (line: string) => void, stage: Stage) {
    this.#options = options
    this.#say = say
    this.#stage = stage
    const { redisUrl, databaseUrl, namespace } = stage
    const { naive, seed, rate } = options
    const onEvent = (event: string, model: string, detail: string) => this.#hear(event, model, detail)
    this.#fleet = new Fleet({
      redisUrl,
      databaseUrl,
      namespace,
      naive,
      seed,
      rate,
      spread: false,
      defaults: false,
      history: this.#history,
      onEvent,
    })
  }

  static async run(options: ChaosOptions, say: (line: string) => void, interrupted: AbortSignal): Promise<Tally> {
    const stage = await Stage.start()
    const run = new Run(options, say, stage)
    try {
      await run.#run(interrupted)
    } finally {
      await run.#fleet.stop()
      await stage.stop()
    }
    return run.#tally
  }

  async #run(interrupted: AbortSignal): Promise<void> {
    await installAudit(this.#stage.query)
    await this.#stage.poison.install()
    this.#fleet.start()
    await this.#fleet.heal(START_TIMEOUT)
    const { seconds, cycle: only, naive } = this.#options
    const end = performance.now() + seconds * 1000
    for (let cycle = only ?? 1; performance.now() < end && !interrupted.aborted; cycle++) {
      const report = await this.#cycle(cycle)
      this.#tally.add(report)
      this.#tell(report)
      if ((!isClean(report) && !naive) || only !== undefined) break
    }
    for (const line of this.#tally.summary()) this.#say(line)
  }

  async #cycle(cycle: number): Promise<CycleReport> {
    const begun = this.#counts()
    this.#history.clear()
    this.#parked = []
    if (this.#options.naive) await this.#beginAnew()
    const random = new Random(this.#options.seed, cycle)
    const nemesis = new Nemesis({ stage: this.#stage, fleet: this.#fleet }, random, this.#options.only, (what) => this.#note(what))
    this.#fleet.resume()
    const aftermath = await this.#rage(nemesis, this.#disasterOf(cycle), random)
    await this.#heal()
    const pending = await this.#fleet.pause(SETTLE_TIMEOUT)
    const stuck = [...pending.map(({ name }) => `${name} still waits for answers`), ...(aftermath?.stuck ?? []), ...this.#parked]
    if (aftermath !== undefined && aftermath.disaster !== 'replica promoted' && this.#adopted === begun.adopted && !this.#options.naive)
      stuck.push('no process emitted an adopted event')
    stuck.push(...(await this.#cure()))
    const { left, drainMs, keys } = await this.#comeToRest()
    stuck.push(...left)
    const findings = await this.#compare(aftermath)
    const faults = nemesis.faults + (aftermath === undefined ? 0 : 1)
    return { cycle, ...this.#since(begun), faults, findings, stuck, drainMs, aftermath, keys }
  }

  #counts(): Counts {
    const { acknowledged, refused, unknown } = this.#history
    return { acknowledged, refused, unknown, adopted: this.#adopted }
  }

  #since(begun: Counts): Counts {
    const now = this.#counts()
    return {
      acknowledged: now.acknowledged - begun.acknowledged,
      refused: now.refused - begun.refused,
      unknown: now.unknown - begun.unknown,
      adopted: now.adopted - begun.adopted,
    }
  }

  /** Cures the refused records when all others have arrived. Resolves to a line for each shard whose other records have not. */
  async #cure(): Promise<string[]> {
    if (!this.#stage.poison.isOn) return []
    const [held] = await this.#drain(isHeldUp)
    await this.#stage.poison.cureAll()
    return held.map((each) => `held up by records that the database refuses: ${JSON.stringify(each)}`)
  }

  /** Drains Redis. `left` has a line for everything that Redis should not hold any more. */
  async #comeToRest(): Promise<{ left: string[]; drainMs: number; keys: Keys }> {
    const [dirty, drainMs] = await this.#drain()
    await this.#stage.stopRetired()
    this.#stage.poison.forget()
    const left = dirty.map((each) => JSON.stringify(each))
    const keys = await countKeys(this.#stage)
    if (keys.changes > 0) left.push(`${keys.changes} keys with changes are left in Redis`)
    if (keys.lasting > MAX_LASTING_KEYS && !this.#options.naive)
      left.push(`expected at most ${MAX_LASTING_KEYS} keys without a time to live, found ${keys.lasting}`)
    return { left, drainMs, keys }
  }

  async #compare(amnesty: Aftermath | undefined): Promise<Finding[]> {
    const steps = await takeSteps(this.#stage.query)
    const after = await readRows(this.#stage.query)
    const findings = check({ before: this.#rows, after, history: this.#history.byRecord, steps, amnesty })
    this.#rows = after
    return findings
  }

  /** Empties both servers, because what the naive design lost in one cycle may otherwise count as doubled in the next one. */
  async #beginAnew(): Promise<void> {
    await this.#stage.redis.flushall()
    await this.#stage.query('truncate "Counter", page_views, players')
    await takeSteps(this.#stage.query)
    this.#rows = new Map()
  }

  #disasterOf(cycle: number): Disaster | undefined {
    const { disaster } = this.#options
    if (disaster !== undefined) return disaster
    return cycle % CYCLES_A_DISASTER === 0 ? DISASTERS[(cycle / CYCLES_A_DISASTER - 1) % DISASTERS.length] : undefined
  }

  async #rage(nemesis: Nemesis, disaster: Disaster | undefined, random: Random): Promise<Aftermath | undefined> {
    const ms = this.#options.rage * 1000
    if (disaster === undefined) {
      await nemesis.rage(ms)
      return undefined
    }
    const quiet = new Random(random.integer(0, 2 ** 31))
    await nemesis.rage(ms / 4)
    await this.#heal()
    // BullMQ notices half-open connections only after 15 s. They are cut here because a disaster should not measure that.
    this.#stage.redisProxy.cut()
    await sleep(quiet.between(1000, 3000))
    this.#note(`Redis: ${disaster}`)
    const aftermath = await strike(disaster, this.#stage, quiet)
    this.#note(`Redis: ${disaster}; every shard went on after ${aftermath.wentOnAfter} ms`)
    await nemesis.rage(ms / 3)
    return aftermath
  }

  async #heal(): Promise<void> {
    await this.#stage.heal()
    await this.#fleet.heal(START_TIMEOUT)
    await resumeQueues(this.#stage)
  }

  /**
   * Waits until the shards are clean. Resolves to the shards that are not clean after the timeout, and to the ms that it took.
   * @param counts tells whether a shard that is not clean counts
   */
  async #drain(counts: (left: Leftover) => boolean = () => true): Promise<[readonly Leftover[], number]> {
    const started = performance.now()
    let left: readonly Leftover[] = []
    const isOver = async () => {
      left = (await (this.#options.naive ? naiveLeftovers : leftovers)(this.#stage)).filter(counts)
      return left.length === 0
    }
    await until('the drain', DRAIN_TIMEOUT, isOver).catch(() => {})
    return [left, Math.round(performance.now() - started)]
  }

  #hear(event: string, model: string, detail: string): void {
    if (event === 'adopted') this.#adopted++
    if (event === 'parked' && !this.#stage.poison.isPoisoned(detail)) this.#parked.push(`parked ${model} ${detail}`)
    if (event === 'failure') this.#failures.set(detail, (this.#failures.get(detail) ?? 0) + 1)
  }

  #note(what: string): void {
    this.#say(`${((performance.now() - this.#started) / 1000).toFixed(1).padStart(7)} s  ${what}`)
  }

  #tell(report: CycleReport): void {
    const { cycle, acknowledged, refused, unknown, findings, stuck, drainMs, faults } = report
    const outcome = isClean(report) ? 'clean' : `NOT CLEAN (npm run chaos -- --seed ${this.#options.seed} --cycle ${cycle})`
    this.#note(
      `cycle ${cycle}: ${faults} faults, ${acknowledged} acknowledged, ${refused} refused, ${unknown} unknown, ${report.adopted} adopted, drained in ${drainMs} ms: ${outcome}`,
    )
    for (const { harm, record, expected, found } of worstFirst(findings).slice(0, MAX_TOLD))
      this.#say(`    ${harm} ${record}: expected ${expected}, found ${found}`)
    for (const each of stuck) this.#say(`    stuck: ${each}`)
    if (!isClean(report)) for (const [failure, times] of this.#failures) this.#say(`    failure, ${times} times: ${failure}`)
    this.#failures.clear()
  }
}

/** Tells whether a shard has records left that are not parked. Parked ones do not count, because they are tried again all the time. */
function isHeldUp({ others }: Leftover): boolean {
  return others > 0
}

function worstFirst(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => Number(isHarm(b)) - Number(isHarm(a)))
}
