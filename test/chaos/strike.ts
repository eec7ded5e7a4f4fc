import { setTimeout as timer } from 'node:timers/promises'
import type { Random } from '../random.js'
import type { Fleet } from './fleet.js'
import type { Stage } from './stage.js'

export interface Scene {
  readonly stage: Stage
  readonly fleet: Fleet
}

/** A fault that was picked. Everything is decided, and nothing is done yet. */
export interface Strike {
  readonly what: string
  /** Two strikes that use the same thing never run at the same time. */
  readonly uses: string
  /** @param ended tells the fault that it must end now */
  run(ended: AbortSignal): Promise<unknown>
}

export interface Fault {
  readonly weight: number
  pick(scene: Scene, random: Random): Strike
}

/** Resolves after `ms`, or earlier when the fault must end. */
export async function sleep(ms: number, ended: AbortSignal): Promise<void> {
  await timer(ms, undefined, { signal: ended }).catch(() => {})
}
