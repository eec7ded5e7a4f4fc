/**
 * The journal of a child process, which it writes to a pipe line by line. `t` is the time of the lines that follow, `i` an operation that is about to
 * be called, `a`, `r` and `u` its outcome, and `e` an event. The child writes synchronously, so that its calls are known even when it is killed.
 */
import { writeSync } from 'node:fs'
import type { Readable } from 'node:stream'

export const JOURNAL = 3

export class Journal {
  #lines: string[] = []
  #scheduled = false

  /** Writes the lines before it returns. */
  write(lines: readonly string[]): void {
    this.#lines.push(...lines)
    this.flush()
  }

  /** Writes the line together with others at the end of this turn of the event loop. */
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
    // Nobody reads the journal any more.
    process.exit(0)
  }
}

/** Calls `hear` with the words of each complete line. A killed process may leave half a line, which is ignored. */
export function readJournal(pipe: Readable, hear: (words: string[]) => void): void {
  let rest = ''
  pipe.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) hear(line.split(' '))
  })
}
