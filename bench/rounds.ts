import type { Figure } from './figures.js'
import { median } from './load.js'
import { watchStolen } from './stolen.js'

/** One of the things that are compared: it has a turn in each round. */
export interface Contender {
  readonly name: string
  /** Operations of a run. */
  readonly count: number
  /** Sets up what it needs, times `count` operations, and resolves to the figure. */
  run(count: number): Promise<number>
}

/** Figures by contender, one a turn. */
export type Samples = ReadonlyMap<string, readonly number[]>

const WARM_UP_SHARE = 0.5

/** Of the cores' time: a round in which the machine's host took more of it away is disturbed, and does not count where enough others do. */
export const MAX_STOLEN = 0.02
const LEAST_COUNTED = 1 / 3

export interface Patience {
  readonly rounds: number
  /** A contender warms up for so many ms, and for one run at least: Node compiles code while it runs. */
  readonly warmUp: number
  /**
   * A turn lasts so many ms, and for one run at least; the median of its runs counts. A fast contender's first run after the long one of a
   * slow peer is mostly about getting back code and caches that the peer has pushed out.
   */
  readonly turn: number
  /** No further round begins when so many ms have passed since the warm-up; the first one always does. */
  readonly patience: number
  /** Disturbed rounds are measured again, for so many ms in all. */
  readonly again: number
}

/** A turn of each contender, and the share of the cores' time that the machine's host took away meanwhile. */
export interface Round {
  readonly figures: ReadonlyMap<string, number>
  readonly stolen: number
}

/** A round is cut into so many short runs, where pauses of the machine are as long as what is measured: then most runs have none. */
export function inShortRuns<P extends Patience>(patience: P, runs = 20): P {
  return { ...patience, rounds: patience.rounds * runs, turn: 0 }
}

/** So many times as long, whether or not rounds are disturbed. */
export function times<P extends Patience>(factor: number, patience: P): P {
  return { ...patience, patience: factor * patience.patience, again: factor * patience.again }
}

/** What has no goal is measured half as long. */
export function inBrief<P extends Patience>(patience: P): P {
  return times(1 / 2, patience)
}

/** Where one run of the peer takes seconds: more patience than for others, and more runs of ours, which are as short as ever. */
export function inLongRuns<P extends Patience>(patience: P): P {
  return { ...times(3, patience), turn: 4 * patience.turn }
}

/**
 * A B C, A C B, A B C, …, after a warm-up of each: what disturbs a round disturbs all of them, and what one leaves behind for the next,
 * garbage or caches, meets each neighbour as often.
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

/** Those that were not disturbed, and a third of all at least: then the least disturbed ones are among them. */
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

/** Runs again until so many ms have passed. */
async function runFor(ms: number, run: () => Promise<number>): Promise<number[]> {
  const figures: number[] = []
  const started = performance.now()
  do figures.push(await run())
  while (performance.now() - started < ms)
  return figures
}

/** The median of the rounds' ratios, to the first of the peers; those to the others stand beside it. */
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
