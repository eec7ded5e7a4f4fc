/** The ways of a read: `src/read`. */
import { type Mutant, mutant } from '../mutant.js'

export const READ: readonly Mutant[] = [
  mutant(
    'a hold is released although its statement may still run',
    'read/holds',
    'read/holds.ts',
    'await hold.fail(error)',
    'await hold.release()',
  ),
  mutant(
    'a statement runs without a hold',
    'read/holds',
    'read/holds.ts',
    'const dirty = await this.#each(pieces, ({ prefix, keys }) => store.hold(prefix, id, ttl, keys))',
    'const dirty = await this.#each(pieces, async () => [] as string[])',
  ),
  mutant(
    'cached rows are not dropped after a statement that outlasts its hold',
    'read/holds',
    'read/holds.ts',
    '    await this.#each(pieces, ({ prefix, keys }) => store.release(prefix, id, keys))\n',
    '    void [store, pieces, id]\n',
  ),
  mutant(
    'write-through does not load the cached row',
    'write/direct-writer',
    'read/holds.ts',
    "    if (scope !== 'all') await load?.(scope)\n",
    '',
  ),
  mutant(
    'a statement runs although Redis could not store its hold',
    'write/direct-writer',
    'read/holds.ts',
    'const hold = await this.hold(scope)',
    'const hold = await this.hold(scope).catch(() => ({ dirty: [], release: async () => {}, fail: async () => {} }))',
  ),
  mutant(
    'a parked record counts as persisted',
    'flush/barrier',
    'read/inspector.ts',
    'store.due(shards.prefix(shard), key))) === undefined',
    'store.due(shards.prefix(shard), key)) ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY',
  ),
]
