import type { ChildProcess } from 'node:child_process'

/** Lets a process go on, to its end, that says a moment before that it stops itself: a SIGCONT that comes in between does nothing. */
export function resume(child: ChildProcess): void {
  const telling = setInterval(() => child.kill('SIGCONT'), 20)
  child.once('exit', () => clearInterval(telling))
}
