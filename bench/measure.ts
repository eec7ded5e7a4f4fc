import type { FigureName, Figures } from './figures.js'
import type { Contender } from './rounds.js'
import type { Sizes } from './sizes.js'
import type { Servers, Stage } from './stage.js'

export interface Context {
  readonly servers: Servers
  readonly stage: Stage
  readonly sizes: Sizes
}

/** Measures one or more figures in the same rounds. */
export interface Measure {
  readonly figures: readonly FigureName[]
  run(context: Context): Promise<Figures>
}

export const OURS = 'write-behind'

/** The first peer has ioredis' defaults, as most users have. The second one has auto-pipelining. */
export function ioredisPeers(
  stage: Stage,
  name: string,
  count: number,
  run: (redis: Stage['redis'], count: number) => Promise<number>,
): Contender[] {
  return [
    { name, count, run: (n) => run(stage.redis, n) },
    { name: `${name}, auto-pipelining`, count, run: (n) => run(stage.pipelining, n) },
  ]
}

export function names(contenders: readonly Contender[]): string[] {
  return contenders.map(({ name }) => name)
}

export function keysOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}-${n}`)
}

/** Returns the element at a position that is known to exist. */
export function at<T>(values: ArrayLike<T>, position: number): T {
  return values[position] as T
}
