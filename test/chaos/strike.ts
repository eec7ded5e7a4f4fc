import { setTimeout as timer } from 'node:timers/promises'
import type { Fleet } from './fleet.js'
import type { Random } from './random.js'
import type { Stage } from './stage.js'

export interface Scene {
  readonly stage: Stage
  readonly fleet: Fleet
}

/** A fault that was picked: all is decided, nothing is done yet. */
export interface Strike {
  readonly what: string
  /** Strikes that use the same thing are not made at the same time. */
  readonly uses: string
  /** @param ended the fault has to end now */
  run(ended: AbortSignal): Promise<unknown>
}

export interface Fault {
  readonly weight: number
  pick(scene: Scene, random: Random): Strike
}

/** Ends early when the fault has to end. */
export async function sleep(ms: number, ended: AbortSignal): Promise<void> {
  await timer(ms, undefined, { signal: ended }).catch(() => {})
}
