import type { ChildProcess } from 'node:child_process'

/** Lets a process that has stopped itself go on until it ends. It says that it stops a moment before it does, so that a single SIGCONT might come too early. */
export function resume(child: ChildProcess): void {
  const telling = setInterval(() => child.kill('SIGCONT'), 20)
  child.once('exit', () => clearInterval(telling))
}
