import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again after this many ms. */
const PAUSE = 50

/**
 * Resolves when the condition is true.
 * @param what is what it waits for, in words
 * @throws Error when the condition is still false after `timeout` ms
 */
export async function until(
  what: string | (() => string),
  timeout: number,
  condition: () => boolean | Promise<boolean>,
  pause = PAUSE,
): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`waited ${timeout} ms for ${typeof what === 'string' ? what : what()}, which did not happen`)
    await sleep(pause)
  }
}
