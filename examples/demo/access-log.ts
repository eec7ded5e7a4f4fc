import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

export interface AccessLogEntry {
  /** The request's target as the client sent it, query string included. */
  readonly target: string
  readonly status: number
  readonly bytes: number
  readonly time: Date
}

/** `host identity user [time] "request" status bytes`; the combined format adds `"referrer" "agent"`. */
const LINE = /^\S+ \S+ .+? \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?: "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*")?\s*$/
const REQUEST = /^[A-Za-z]+ (\S.*?)(?: HTTP\/\d(?:\.\d)?)?$/
const TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Returns undefined when the line is not in the Common or Combined Log Format, or when its request has no target. */
export function parseAccessLogLine(line: string): AccessLogEntry | undefined {
  const [, timeText = '', request = '', status = '', bytes = ''] = LINE.exec(line) ?? []
  const target = REQUEST.exec(request)?.[1]
  const time = parseTime(timeText)
  // PostgreSQL cannot store a text with a NUL.
  if (target === undefined || time === undefined || target.includes('\0')) return undefined
  const size = bytes === '-' ? 0 : Number(bytes)
  if (!Number.isSafeInteger(size)) return undefined
  return { target, status: Number(status), bytes: size, time }
}

/** Reads a file line by line, and never holds all of it. Unpacks the file if its name ends in `.gz`. */
export async function* readLines(path: string): AsyncGenerator<string> {
  const file = createReadStream(path)
  const input: Readable = path.endsWith('.gz') ? pipeline(file, createGunzip(), () => {}) : file
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  // readline does not report that its input failed.
  let failure: Error | undefined
  input.on('error', (error: Error) => {
    failure = error
    lines.close()
  })
  try {
    yield* lines
    if (failure !== undefined) throw failure
  } finally {
    lines.close()
    file.destroy()
  }
}

function parseTime(text: string): Date | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const [, day, month = '', year, hour, minute, second, sign, zoneHours, zoneMinutes] = match
  const local = Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second))
  const isReal = MONTHS.includes(month) && new Date(local).getUTCDate() === Number(day) && Number(hour) < 24 && Number(minute) < 60
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60_000
  return isReal ? new Date(sign === '-' ? local + offset : local - offset) : undefined
}
