/**
 * Decides which parts of an error may leave the library: as an exception, an event, a cause, a job, a span, a warning or a log line.
 *
 * The message of another library may quote anything. Messages of Redis quote the arguments of a command, those of PostgreSQL and Prisma the values of a
 * row, those of ioredis and Node a malformed URL with its password. The properties of such errors contain more of the same. So this file lists what is let
 * through, and everything else is left out. An error of this library passes as it is. Of any other error pass its class, its code and its stack, and its
 * message only if it is one of the texts below.
 */
import { isIP } from 'node:net'
import { types } from 'node:util'

/** An error whose message was written by this library, and contains no value, no address and no password. */
export class OwnError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: redact(options.cause) })
  }
}

const CLASS_NAME = /^[A-Z]\w{0,60}$/
/** A SQLSTATE, or a code of Node, Prisma or Redis. */
const CODE = /^[A-Z0-9_]{2,40}$/
const SYSTEM_CALL = /^[a-z]{2,20}$/
const MAX_CAUSES = 5

/** The first word of an error of Redis or Valkey, which says of what kind it is. */
const REDIS_WORDS = new Set(
  (
    'ASK BUSY BUSYGROUP BUSYKEY CLUSTERDOWN CROSSSLOT DENIED ERR EXECABORT INPROG IOERR LOADING MASTERDOWN MISCONF MOVED NOADDR NOAUTH ' +
    'NOGOODSLAVE NOGROUP NOMASTERLINK NOPERM NOPROTO NOREPLICAS NOSCRIPT NOTBUSY NOTREADY OOM READONLY TRYAGAIN UNBLOCKED UNKILLABLE WRONGPASS ' +
    'WRONGTYPE'
  ).split(' '),
)

/** The kind of an error within a script or a transaction. It comes after the first word of the reply. A quoted text does not match. */
const INNER_WORDS: readonly (readonly [word: string, text: RegExp])[] = [
  ['OOM', /(^|[ :])-?OOM command not allowed /],
  ['READONLY', /(^|[ :])-?READONLY You can't write against a read only /],
  ['WRONGTYPE', /(^|[ :])-?WRONGTYPE Operation against a key holding the wrong kind of value/],
  ['NOPERM', /(^|[ :])-?(NOPERM (this user|User [^ ]+) has no permissions |The user executing the script can't )/i],
]

/** Messages of other libraries that contain no values. */
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
  // ioredis, and RetryingConnection.
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

/**
 * Returns an error that may leave the library. An error of this library is returned as it is, because its message was written here and its cause was
 * redacted when it was made.
 */
export function redact(error: unknown): Error {
  return redactCause(error, 0)
}

/** The part of the message of an error that may leave the library. */
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
  if (!isError(error)) return `something that is no error was thrown: ${error === null ? 'null' : typeof error}`
  const { message } = error
  if (typeof message === 'string' && KNOWN_TEXTS.some((text) => text.test(message))) return message
  if (error.name === 'ReplyError') return describeReply(message)
  // A job that must not be tried again fails with this class of BullMQ, and with a message of this library.
  if (error.name === 'UnrecoverableError') return message
  return describeSystemError(error) ?? `${nameOf(error)}${codeOf(error)}; its message is left out, since it may hold values`
}

function describeReply(message: string): string {
  const command = /(?:run|executing) the '([a-z|-]{2,40})' command/.exec(message)?.[1]
  return `${wordOf(message)}: Redis refused a command${command === undefined ? '' : `, ${command}`}; the rest of its message is left out, since it may hold values`
}

/** The kind of an error reply, as a word of Redis. */
function wordOf(message: string): string {
  const [word = ''] = message.split(' ', 1)
  const isPlain = REDIS_WORDS.has(word) && word !== 'ERR' && word !== 'EXECABORT'
  if (isPlain) return word
  const inner = INNER_WORDS.find(([, text]) => text.test(message))?.[0]
  return inner ?? (REDIS_WORDS.has(word) ? word : 'ERR')
}

/** An error of Node: the system call, the code, and the address if it is an IP address. A name or a path may be part of a malformed URL. */
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
  return isError(error) && typeof error.name === 'string' && CLASS_NAME.test(error.name) ? error.name : 'Error'
}

function propertiesOf(error: unknown): Partial<Record<'code' | 'cause' | 'syscall' | 'address' | 'port', unknown>> {
  return typeof error === 'object' && error !== null ? error : {}
}

/** The lines of the stack below the message. The message itself may contain lines that look like them. */
function framesOf(error: unknown): string[] {
  if (!isError(error) || typeof error.stack !== 'string') return []
  const head = error.message === '' ? error.name : `${error.name}: ${error.message}`
  if (!error.stack.startsWith(`${head}\n`)) return []
  return error.stack
    .slice(head.length + 1)
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
}

/** Node's own errors have another class Error than an application that runs in a context of its own, which Jest does. */
function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value)
}
