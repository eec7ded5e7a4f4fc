/** Waits for a task no longer than until a deadline. */
import { TimeoutError } from '../errors.js'

/** Ms. A timer of Node's that is set to more fires at once. */
const MAX_TIMER = 2 ** 31 - 1

/**
 * @param deadline by performance.now(); one that is too far away for a timer never passes
 * @throws TimeoutError when the deadline passes before the task ends; the task goes on
 */
export function within<T>(deadline: number, task: Promise<T>): Promise<T> {
  const left = deadline - performance.now()
  if (left > MAX_TIMER) return task
  let timer: NodeJS.Timeout
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError('the timeout passed')), Math.max(0, left))
  })
  return Promise.race([task, timeout]).finally(() => clearTimeout(timer))
}
