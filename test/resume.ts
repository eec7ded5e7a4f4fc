import type { ChildProcess } from 'node:child_process'

/**
 * Lets a process continue that stops itself. The process says so a moment before it stops, and a SIGCONT that comes in between does nothing. So this sends
 * SIGCONT again and again until the process ends.
 */
export function resume(child: ChildProcess): void {
  const telling = setInterval(() => child.kill('SIGCONT'), 20)
  child.once('exit', () => clearInterval(telling))
}
