/** The ways of a write: `src/write`. */
import { type Mutant, mutant } from '../mutant.js'

export const WRITE: readonly Mutant[] = [
  mutant(
    'writes of one call are reordered',
    'write/writer',
    'write/writer.ts',
    'const group = this.#waiting.splice(0, size)',
    'const group = this.#waiting.splice(0, size).reverse()',
  ),
  mutant(
    'a write is added to an earlier one although another lies between them',
    'write/writer',
    'write/writer.ts',
    '    this.#lastByKey.set(operation.key, queued)\n',
    '    if (!this.#lastByKey.has(operation.key)) this.#lastByKey.set(operation.key, queued)\n',
  ),
  mutant(
    'a direct write runs without a hold',
    'strategy-schedules',
    'write/direct-writer.ts',
    'await this.#context.holds.during([key], async',
    'await (async (_: unknown, run: (hold: { dirty: string[] }) => Promise<void>) => run({ dirty: [] }))([key], async',
  ),
  mutant(
    'a direct write does not wait for what was written behind',
    'write/direct-writer',
    'write/direct-writer.ts',
    'if (dirty.length > 0) await',
    'if (dirty.length < 0) await',
  ),
  mutant(
    'the cached rows of a write that stopped half-way stay',
    'redis/rights',
    'write/writer.ts',
    `if (hasStopped(error)) await this.#cleanUp(operations.map(({ key }) => key))`,
    ``,
  ),
  mutant(
    'a write that Redis did not begin counts as stopped half-way',
    'redis/refusal',
    'write/write-failure.ts',
    'reply instanceof RedisRefusal ? !reply.isUnread : isReply(reply)',
    'reply instanceof RedisRefusal || isReply(reply)',
  ),
  mutant(
    'close forgets its own records when there are too many to name',
    'start/drain',
    'write/own-records.ts',
    "this.#areTooMany ? 'all' : [",
    '[',
  ),
  mutant(
    'a refusal before the script counts as an unknown outcome',
    'redis/refusal',
    'write/write-failure.ts',
    ': isRefusedUnread(error)',
    ': false',
  ),
]
