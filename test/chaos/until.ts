import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the condition is true. @throws Error when it is still false after `timeout` ms */
export async function until(timeout: number, what: () => string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeout} ms for ${what()}`)
    await sleep(50)
  }
}
