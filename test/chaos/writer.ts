/** The entry of a writer process. It makes calls in bursts at a given rate, and notes every call before it makes it. */
import type { ErrorCode } from '../../src/index.js'
import { Random } from '../random.js'
import { answer, onOrder, plan } from './child.js'
import { Journal } from './journal.js'
import { counterName, type Operation, pagePath, playerId, RECORDS, toLine } from './operation.js'
import { openTarget } from './target.js'

/** The writer pauses when this many calls have no answer yet. */
const MAX_IN_FLIGHT = 2000
/** An error with one of these codes says that nothing was stored. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'BACKLOG_FULL', 'REDIS_FULL', 'INVALID_INPUT', 'CLOSED', 'UNSAFE_REDIS'])

const { seed, number, firstId, rate, spread } = plan()
const random = new Random(seed, number, firstId)
const journal = new Journal()
const target = await openTarget(plan(), (...event) => journal.add(`e ${event.join(' ')}`))
let nextId = firstId
let inFlight = 0
let paused = true

onOrder((order) => {
  paused = order === 'pause'
  if (paused) answerWhenIdle()
  else void write()
})
answer('ready')

async function write(): Promise<void> {
  for (let due = 0; !paused; ) {
    const pause = random.between(2, 40)
    await new Promise((resolve) => setTimeout(resolve, pause))
    due += (rate * pause) / 1000
    const burst = Math.min(Math.floor(due), MAX_IN_FLIGHT - inFlight)
    due -= Math.floor(due)
    if (burst > 0 && !paused) call(Array.from({ length: burst }, operation))
  }
}

function call(operations: readonly Operation[]): void {
  journal.write([`t ${Date.now()}`, ...operations.map(toLine)])
  for (const operation of operations) {
    inFlight++
    target.write(operation).then(
      () => settle(`a ${operation.id}`),
      (error: { code?: ErrorCode }) =>
        settle(`${error.code && REFUSALS.has(error.code) ? 'r' : 'u'} ${operation.id} ${error.code ?? error}`),
    )
  }
}

function settle(line: string): void {
  inFlight--
  journal.add(line)
  if (paused) answerWhenIdle()
}

function answerWhenIdle(): void {
  if (inFlight > 0) return
  journal.flush()
  answer('paused')
}

function operation(): Operation {
  const id = nextId++
  if (spread) return { id, kind: 'add', record: pagePath(number, id), amount: 1 }
  const kind = random.next()
  const amount = random.integer(1, 9)
  if (kind < 0.4) return { id, kind: 'add', record: counterName(random.integer(0, RECORDS.counter - 1)), amount }
  if (kind < 0.75) {
    const record = pagePath(number, random.integer(0, RECORDS.pageView - 1))
    return { id, kind: random.chance(0.7) ? 'visit' : 'add', record, amount }
  }
  const record = playerId(number, random.integer(0, RECORDS.player - 1))
  return { id, kind: random.pick(['upsert', 'upsert', 'update', 'delete'] as const), record, amount: 0 }
}
