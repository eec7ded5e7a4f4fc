import { setTimeout as sleep } from 'node:timers/promises'

export interface FaultPlan {
  readonly killWorker: boolean
  /** Seconds; 0: none. */
  readonly databaseOutage: number
}

export interface FaultTargets {
  killWorker(): void
  stopDatabase(): Promise<void>
  startDatabase(): Promise<void>
  note(text: string): void
}

/**
 * Breaks things in the middle of a run of `duration` seconds. Resolves when all works again; the signal ends an outage early.
 * With both faults, the worker dies in the middle of the outage.
 */
export async function injectFaults(plan: FaultPlan, duration: number, targets: FaultTargets, signal: AbortSignal): Promise<void> {
  await Promise.all([killWorker(plan, duration, targets, signal), interruptDatabase(plan, duration, targets, signal)])
}

async function killWorker({ killWorker }: FaultPlan, duration: number, targets: FaultTargets, signal: AbortSignal): Promise<void> {
  if (!killWorker || !(await wait(duration / 2, signal))) return
  targets.note('killing the worker (SIGKILL)')
  targets.killWorker()
}

async function interruptDatabase(
  { databaseOutage }: FaultPlan,
  duration: number,
  targets: FaultTargets,
  signal: AbortSignal,
): Promise<void> {
  if (databaseOutage === 0 || !(await wait(Math.max(0, duration - databaseOutage) / 2, signal))) return
  targets.note(`PostgreSQL is stopped for ${databaseOutage} s`)
  await targets.stopDatabase()
  await wait(databaseOutage, signal)
  await targets.startDatabase()
  targets.note('PostgreSQL runs again')
}

/** Whether the time passed without the signal. */
function wait(seconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep(seconds * 1000, true, { signal }).catch(() => false)
}
