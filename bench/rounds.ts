import type { Figure } from './figures.js'
import { median } from './load.js'
import { watchStolen } from './stolen.js'

/** One of the things that are compared. It has a turn in each round. */
export interface Contender {
  readonly name: string
  /** Operations in a run. */
  readonly count: number
  /** Prepares what it needs, times `count` operations, and resolves to the figure. */
  run(count: number): Promise<number>
}

/** For each contender its figures, one for each round. */
export type Samples = ReadonlyMap<string, readonly number[]>

const WARM_UP_SHARE = 0.5

/** A round is disturbed when the machine's host took away more than this share of the cores' time. It counts only if too few other rounds do. */
export const MAX_STOLEN = 0.02
const LEAST_COUNTED = 1 / 3

export interface Patience {
  readonly rounds: number
  /** A contender warms up for this many ms, and for at least one run, because Node compiles code while it runs. */
  readonly warmUp: number
  /**
   * A turn lasts this many ms, and at least one run. The median of its runs counts. After the long run of a slow peer, the first run of a fast
   * contender mostly refills the caches that the peer has overwritten.
   */
  readonly turn: number
  /** When this many ms have passed since the warm-up, no further round begins. The first round always takes place. */
  readonly patience: number
  /** Disturbed rounds are measured again for this many ms in all. */
  readonly again: number
}

/** One turn of each contender, and the share of the cores' time that the machine's host took away meanwhile. */
export interface Round {
  readonly figures: ReadonlyMap<string, number>
  readonly stolen: number
}

/** Cuts a round into short runs. Pauses of the machine may be as long as what is measured, and most short runs have no pause. */
export function inShortRuns<P extends Patience>(patience: P, runs = 20): P {
  return { ...patience, rounds: patience.rounds * runs, turn: 0 }
}

/** Multiplies the time for rounds, disturbed ones included, by `factor`. */
export function times<P extends Patience>(factor: number, patience: P): P {
  return { ...patience, patience: factor * patience.patience, again: factor * patience.again }
}

/** Halves the time for a figure that has no goal. */
export function inBrief<P extends Patience>(patience: P): P {
  return times(1 / 2, patience)
}

/** For a peer whose run takes seconds: gives more time in all, and more of our short runs in a turn. */
export function inLongRuns<P extends Patience>(patience: P): P {
  return { ...times(3, patience), turn: 4 * patience.turn }
}

/**
 * Warms each contender up, and then runs them in turns: A B C, A C B, A B C, and so on. A disturbance of a round affects all contenders, and
 * the garbage and caches that one contender leaves affect each neighbour equally often.
 */
export async function alternate(effort: Patience, contenders: readonly Contender[], watch = watchStolen): Promise<Samples> {
  const { warmUp, turn, patience } = effort
  for (const { count, run } of contenders) await runFor(warmUp, () => run(Math.ceil(count * WARM_UP_SHARE)))
  const rounds: Round[] = []
  let [left, again] = [patience, effort.again]
  do {
    const [started, stolen, figures] = [performance.now(), watch(), new Map<string, number>()]
    for (const { name, count, run } of order(contenders, rounds.length)) figures.set(name, median(await runFor(turn, () => run(count))))
    const round = { figures, stolen: stolen() }
    rounds.push(round)
    const took = performance.now() - started
    if (isDisturbed(round) && again > 0) again -= took
    else left -= took
  } while (left > 0 && undisturbed(rounds).length < effort.rounds)
  const counted = countedOf(rounds)
  return new Map(contenders.map(({ name }) => [name, counted.map(({ figures }) => figures.get(name) as number)]))
}

/** Picks the rounds that were not disturbed. If they are fewer than a third of all, it adds the least disturbed ones up to a third. */
export function countedOf(rounds: readonly Round[]): readonly Round[] {
  const least = Math.ceil(rounds.length * LEAST_COUNTED)
  return [...rounds].sort((a, b) => a.stolen - b.stolen).slice(0, Math.max(least, undisturbed(rounds).length))
}

function undisturbed(rounds: readonly Round[]): readonly Round[] {
  return rounds.filter((round) => !isDisturbed(round))
}

function isDisturbed({ stolen }: Round): boolean {
  return stolen > MAX_STOLEN
}

function order([first, ...others]: readonly Contender[], round: number): Contender[] {
  return first === undefined ? [] : [first, ...(round % 2 === 0 ? others : others.reverse())]
}

/** Runs again and again until `ms` have passed. */
async function runFor(ms: number, run: () => Promise<number>): Promise<number[]> {
  const figures: number[] = []
  const started = performance.now()
  do figures.push(await run())
  while (performance.now() - started < ms)
  return figures
}

/** The figure is the median of the rounds' ratios to the first peer. `ratios` has the medians for all peers. */
export function against(samples: Samples, ours: string, peers: readonly string[]): Figure {
  const raw = medians(samples, [ours, ...peers])
  const peer = peers[0] as string
  const ratios = Object.fromEntries(peers.map((peer) => [peer, medianRatio(samples, ours, peer)]))
  return {
    value: ratios[peer] as number,
    ours: raw[ours] as number,
    peer: { name: peer, value: raw[peer] as number },
    rounds: samples.get(ours)?.length ?? 0,
    ratios,
    raw,
  }
}

export function alone(samples: Samples, name: string): Figure {
  const raw = medians(samples, [name])
  const value = raw[name] as number
  return { value, ours: value, rounds: samples.get(name)?.length ?? 0, ratios: {}, raw }
}

function medianRatio(samples: Samples, ours: string, peer: string): number {
  const ofPeer = samples.get(peer) ?? []
  return median((samples.get(ours) ?? []).map((value, round) => value / (ofPeer[round] as number)))
}

function medians(samples: Samples, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, median(samples.get(name) ?? [])]))
}
