/** Waits for a task until a deadline, and no longer. */
import { TimeoutError } from '../errors.js'

/** Ms. Node fires a timer at once if it is set to a longer time. */
const MAX_TIMER = 2 ** 31 - 1

/**
 * @param deadline by performance.now(). A deadline that is too far away for a timer never passes
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
