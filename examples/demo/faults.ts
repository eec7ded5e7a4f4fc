import { setTimeout as sleep } from 'node:timers/promises'

export interface FaultPlan {
  readonly killWorker: boolean
  /** In seconds; 0 means that there is no outage. */
  readonly databaseOutage: number
}

export interface FaultTargets {
  killWorker(): void
  stopDatabase(): Promise<void>
  startDatabase(): Promise<void>
  note(text: string): void
}

/**
 * Injects the faults in the middle of a run of `duration` seconds. Resolves when everything works again. The signal ends an outage early.
 * If both faults are planned, the worker dies in the middle of the outage.
 */
export async function injectFaults(plan: FaultPlan, duration: number, targets: FaultTargets, signal: AbortSignal): Promise<void> {
  await Promise.all([killWorker(plan, duration, targets, signal), interruptDatabase(plan, duration, targets, signal)])
}

async function killWorker({ killWorker }: FaultPlan, duration: number, targets: FaultTargets, signal: AbortSignal): Promise<void> {
  if (!killWorker || !(await wait(duration / 2, signal))) return
  targets.note('the demo kills the worker (SIGKILL)')
  targets.killWorker()
}

async function interruptDatabase(
  { databaseOutage }: FaultPlan,
  duration: number,
  targets: FaultTargets,
  signal: AbortSignal,
): Promise<void> {
  if (databaseOutage === 0 || !(await wait(Math.max(0, duration - databaseOutage) / 2, signal))) return
  targets.note(`the demo stops PostgreSQL for ${databaseOutage} s`)
  await targets.stopDatabase()
  await wait(databaseOutage, signal)
  await targets.startDatabase()
  targets.note('PostgreSQL runs again')
}

/** Resolves to true when the time has passed, and to false when the signal came first. */
function wait(seconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep(seconds * 1000, true, { signal }).catch(() => false)
}
