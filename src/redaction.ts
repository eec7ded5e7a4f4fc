/**
 * What of an error may leave the library: by exception, on an event, as a cause, in a job, a span, a warning or a log.
 *
 * A message of another library may quote anything: Redis' the arguments of a command, PostgreSQL's and Prisma's the values of a row, ioredis'
 * and Node's a malformed URL with its password; and their properties hold more of it. So this is a list of what is let through, and the rest stays
 * here: of an error of ours all, of another its class, its code, where it was thrown, and its message only if it is one of the texts below.
 */
import { isIP } from 'node:net'

/** An error whose message this library wrote, and which holds no value, no address and no password. */
export class OwnError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: redact(options.cause) })
  }
}

const CLASS_NAME = /^[A-Z]\w{0,60}$/
/** SQLSTATE, Node's, Prisma's and Redis' codes. */
const CODE = /^[A-Z0-9_]{2,40}$/
const SYSTEM_CALL = /^[a-z]{2,20}$/
const MAX_CAUSES = 5

/** First words with which Redis and Valkey say what kind of error theirs is. */
const REDIS_WORDS = new Set(
  (
    'ASK BUSY BUSYGROUP BUSYKEY CLUSTERDOWN CROSSSLOT DENIED ERR EXECABORT INPROG IOERR LOADING MASTERDOWN MISCONF MOVED NOADDR NOAUTH ' +
    'NOGOODSLAVE NOGROUP NOMASTERLINK NOPERM NOPROTO NOREPLICAS NOSCRIPT NOTBUSY NOTREADY OOM READONLY TRYAGAIN UNBLOCKED UNKILLABLE WRONGPASS ' +
    'WRONGTYPE'
  ).split(' '),
)

/** What Redis says within a script, or of a transaction, behind the first word of the reply. A quoted text is none of them. */
const INNER_WORDS: readonly (readonly [word: string, text: RegExp])[] = [
  ['OOM', /(^|[ :])-?OOM command not allowed /],
  ['READONLY', /(^|[ :])-?READONLY You can't write against a read only /],
  ['WRONGTYPE', /(^|[ :])-?WRONGTYPE Operation against a key holding the wrong kind of value/],
  ['NOPERM', /(^|[ :])-?(NOPERM (this user|User [^ ]+) has no permissions |The user executing the script can't )/i],
]

/** Texts of others that hold nothing but what stands here. */
const KNOWN_TEXTS = [
  // Redis.
  /^OOM command not allowed( under OOM prevention| when used memory > 'maxmemory')\.?$/,
  /^READONLY You can't write against a read only replica\.?$/,
  /^LOADING (Redis|Valkey) is loading the dataset in memory$/,
  /^WRONGPASS invalid username-password pair or user is disabled\.?$/,
  /^NOAUTH Authentication required\.?$/,
  /^ERR max number of clients reached$/,
  /^NOREPLICAS Not enough good replicas to write\.?$/,
  /^MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'\.?$/,
  /^CLUSTERDOWN [A-Za-z ]{1,40}$/,
  /^UNBLOCKED force unblock from blocking operation[\w ,?().-]{0,80}$/,
  /^MISCONF Errors writing to the AOF file: [A-Z][a-z]+( [a-z]+){1,6}$/,
  // ioredis, and the connection that watches it.
  /^Connection is closed\.$/,
  /^Connection is in use$/,
  /^Command timed out$/,
  /^connect ETIMEDOUT$/,
  /^Redis is already connecting\/connected$/,
  /^Stream isn't writeable and enableOfflineQueue options is false$/,
  /^Socket timeout\. Expecting data, but didn't receive any in \d+ms\.$/,
  /^Reached the max retries per request limit \(which is \d+\)\. Refer to "maxRetriesPerRequest" option for details\.$/,
  /^(no answer|no answer in time|the connection to Redis was silent|the connection to Redis was lost|the row could not be read between two flushes)$/,
  // pg and BullMQ.
  /^Connection terminated( unexpectedly| due to connection timeout)?$/,
  /^timeout exceeded when trying to connect$/,
  /^Query read timeout$/,
  /^job stalled more than allowable limit$/,
]

/** Makes an error that may leave the library of one that may not. One of ours comes back as it is: its message is ours, and its cause was redacted when it was made. */
export function redact(error: unknown): Error {
  return redactCause(error, 0)
}

/** What may be said of an error in a message. */
export function messageOf(error: unknown): string {
  return redact(error).message
}

function redactCause(error: unknown, depth: number): Error {
  if (error instanceof OwnError) return error
  const redacted = new Error(describeForeign(error))
  const name = nameOf(error)
  Object.defineProperty(redacted, 'name', { value: name, configurable: true, writable: true })
  const { code, cause } = propertiesOf(error)
  if (isCode(code)) Object.assign(redacted, { code })
  if (cause !== undefined && depth < MAX_CAUSES)
    Object.defineProperty(redacted, 'cause', { value: redactCause(cause, depth + 1), configurable: true, writable: true })
  redacted.stack = [`${name}: ${redacted.message}`, ...framesOf(error)].join('\n')
  return redacted
}

function describeForeign(error: unknown): string {
  if (!(error instanceof Error)) return `something that is no error was thrown: ${error === null ? 'null' : typeof error}`
  const { message } = error
  if (typeof message === 'string' && KNOWN_TEXTS.some((text) => text.test(message))) return message
  if (error.name === 'ReplyError') return describeReply(message)
  // Jobs that are not to be tried again fail with BullMQ's class, and with a message of ours.
  if (error.name === 'UnrecoverableError') return message
  return describeSystemError(error) ?? `${nameOf(error)}${codeOf(error)}; its message is left out, since it may hold values`
}

function describeReply(message: string): string {
  const command = /(?:run|executing) the '([a-z|-]{2,40})' command/.exec(message)?.[1]
  return `${wordOf(message)}: Redis refused a command${command === undefined ? '' : `, ${command}`}; the rest of its message is left out, since it may hold values`
}

/** What kind of error a reply is, in a word of Redis. */
function wordOf(message: string): string {
  const [word = ''] = message.split(' ', 1)
  const isPlain = REDIS_WORDS.has(word) && word !== 'ERR' && word !== 'EXECABORT'
  if (isPlain) return word
  const inner = INNER_WORDS.find(([, text]) => text.test(message))?.[0]
  return inner ?? (REDIS_WORDS.has(word) ? word : 'ERR')
}

/** Node's: what was tried, why it failed, and where, if that is an address: a name or a path may be a part of a malformed URL. */
function describeSystemError(error: Error): string | undefined {
  const { code, syscall, address, port } = propertiesOf(error)
  if (typeof syscall !== 'string' || !SYSTEM_CALL.test(syscall) || !isCode(code)) return undefined
  const isAddress = typeof address === 'string' && isIP(address) !== 0
  return `${syscall} ${code}${isAddress ? ` ${address}${Number.isInteger(port) ? `:${port}` : ''}` : ''}`
}

function codeOf(error: unknown): string {
  const { code } = propertiesOf(error)
  return isCode(code) ? ` (${code})` : ''
}

function isCode(code: unknown): boolean {
  return typeof code === 'string' ? CODE.test(code) : Number.isInteger(code)
}

function nameOf(error: unknown): string {
  return error instanceof Error && typeof error.name === 'string' && CLASS_NAME.test(error.name) ? error.name : 'Error'
}

function propertiesOf(error: unknown): Partial<Record<'code' | 'cause' | 'syscall' | 'address' | 'port', unknown>> {
  return typeof error === 'object' && error !== null ? error : {}
}

/** Lines of code, without the message above them, which may look like some. */
function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return []
  const head = error.message === '' ? error.name : `${error.name}: ${error.message}`
  if (!error.stack.startsWith(`${head}\n`)) return []
  return error.stack
    .slice(head.length + 1)
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
}
