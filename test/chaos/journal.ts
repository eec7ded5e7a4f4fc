/**
 * What a child process tells on a pipe of its own, line by line: `t` time of what follows, `i` an operation about to be called, `a` `r` `u`
 * its outcome, `e` an event. Written synchronously, so that what was called is known of a process that was killed.
 */
import { writeSync } from 'node:fs'
import type { Readable } from 'node:stream'

export const JOURNAL = 3

export class Journal {
  #lines: string[] = []
  #scheduled = false

  /** Written before it returns. */
  write(lines: readonly string[]): void {
    this.#lines.push(...lines)
    this.flush()
  }

  /** Written in this turn of the event loop, with others. */
  add(line: string): void {
    this.#lines.push(line)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  flush(): void {
    if (this.#lines.length === 0) return
    let rest = Buffer.from(`${this.#lines.join('\n')}\n`)
    this.#lines = []
    while (rest.length > 0) rest = rest.subarray(writeSome(rest))
  }
}

function writeSome(bytes: Buffer): number {
  try {
    return writeSync(JOURNAL, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    // Nobody listens any more.
    process.exit(0)
  }
}

/** Calls `hear` with the words of each whole line; what a killed process wrote half is none. */
export function readJournal(pipe: Readable, hear: (words: string[]) => void): void {
  let rest = ''
  pipe.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) hear(line.split(' '))
  })
}
