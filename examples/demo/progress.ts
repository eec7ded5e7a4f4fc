import type { WriteStream } from 'node:tty'

/** The figures of the progress line, in their order. */
export interface Figures {
  readonly acknowledged: number
  readonly rowsWritten: number
  /** The 99th percentile of the newest lags, in ms. */
  readonly lag: number
  readonly dirty: number
  /** Flushes that failed and are tried again, and writes that were never acknowledged. */
  readonly failed: number
  readonly parked: number
}

const TERMINAL_INTERVAL = 250
const PLAIN_INTERVAL = 2000
const CLEAR_LINE = '\r\x1b[2K'

/** Rewrites one line in place on a terminal. Elsewhere it prints a new line every two seconds. */
export class Progress {
  readonly #stream: WriteStream
  readonly #read: () => Promise<Figures>
  readonly #started = performance.now()
  #timer: NodeJS.Timeout | undefined
  #line = ''
  #isReading = false

  constructor(stream: WriteStream, read: () => Promise<Figures>) {
    this.#stream = stream
    this.#read = read
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#show(), this.#stream.isTTY ? TERMINAL_INTERVAL : PLAIN_INTERVAL)
  }

  /** The last line stays on the terminal. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#stream.isTTY && this.#line !== '') this.#stream.write('\n')
    this.#line = ''
  }

  /** Prints a line above the progress line. */
  note(text: string): void {
    if (this.#stream.isTTY && this.#line !== '') this.#stream.write(`${CLEAR_LINE}${text}\n${this.#line}`)
    else this.#stream.write(`${text}\n`)
  }

  /** Does not ask again while the last question is unanswered, as when Redis is away. */
  async #show(): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    const figures = await this.#read().catch(() => undefined)
    this.#isReading = false
    if (figures === undefined || this.#timer === undefined) return
    const text = lineOf((performance.now() - this.#started) / 1000, figures)
    if (!this.#stream.isTTY) {
      this.#stream.write(`${text}\n`)
      return
    }
    this.#line = text.slice(0, Math.max(20, this.#stream.columns - 1))
    this.#stream.write(CLEAR_LINE + this.#line)
  }
}

function lineOf(seconds: number, { acknowledged, rowsWritten, lag, dirty, failed, parked }: Figures): string {
  const parts = [
    `${seconds.toFixed(0)} s`,
    `acknowledged ${count(acknowledged)}`,
    `rows written ${count(rowsWritten)}`,
    `ratio ${ratio(acknowledged, rowsWritten)}`,
    `lag ${count(lag)} ms`,
    `dirty ${count(dirty)}`,
    `failed ${count(failed)}`,
  ]
  if (parked > 0) parts.push(`parked ${count(parked)}`)
  return parts.join(' · ')
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** Returns writes per row written, to two decimals, or 0 when no row was written. */
export function ratio(writes: number, rows: number): number {
  return rows === 0 ? 0 : Math.round((writes / rows) * 100) / 100
}
