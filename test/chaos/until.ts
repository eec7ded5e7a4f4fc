import { setTimeout as sleep } from 'node:timers/promises'

/** @throws Error when the condition does not come true in time */
export async function until(timeout: number, what: () => string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeout} ms for ${what()}`)
    await sleep(50)
  }
}
