/** The ways of a write: `src/write`. */
import { type Mutant, mutant } from '../mutant.js'

export const WRITE: readonly Mutant[] = [
  mutant(
    'writes of one moment reordered',
    'write/writer',
    'write/writer.ts',
    'const group = this.#waiting.splice(0, size)',
    'const group = this.#waiting.splice(0, size).reverse()',
  ),
  mutant(
    'a write is added to an earlier one, past what lies between',
    'write/writer',
    'write/writer.ts',
    '    this.#lastByKey.set(operation.key, entry)\n',
    '    if (!this.#lastByKey.has(operation.key)) this.#lastByKey.set(operation.key, entry)\n',
  ),
  mutant(
    'a direct write without a hold',
    'strategy-schedules',
    'write/direct-writer.ts',
    'await this.#context.holds.during([key], async',
    'await (async (_: unknown, run: (hold: { dirty: string[] }) => Promise<void>) => run({ dirty: [] }))([key], async',
  ),
  mutant(
    'a direct write before what was written behind',
    'write/direct-writer',
    'write/direct-writer.ts',
    'if (dirty.length > 0) await',
    'if (dirty.length < 0) await',
  ),
  mutant(
    'views of a call that stopped half-way stay',
    'redis/rights',
    'write/writer.ts',
    `if (hasStopped(error)) await this.#cleanUp(operations.map(({ key }) => key))`,
    ``,
  ),
  mutant(
    'what Redis did not begin counts as stopped half-way: the write waits for it twice',
    'redis/reply',
    'write/writer.ts',
    'reply instanceof RedisRefusal ? !reply.isUnread : isReply(reply)',
    'reply instanceof RedisRefusal || isReply(reply)',
  ),
  mutant(
    'close forgets its own records past those that it names',
    'start/drain',
    'write/own-records.ts',
    "this.#areTooMany ? 'all' : [",
    '[',
  ),
  mutant(
    'a refusal before the script taken for an unknown outcome',
    'redis/reply',
    'write/writer.ts',
    ': isRefusedUnread(error)',
    ': false',
  ),
]
