/** The ways of a read: `src/read`. */
import { type Mutant, mutant } from '../mutant.js'

export const READ: readonly Mutant[] = [
  mutant(
    'a hold that is released though its statement may be carried out yet',
    'read/holds',
    'read/holds.ts',
    'await (isUndecided(error) ? hold.prolong() : hold.release())',
    'await hold.release()',
  ),
  mutant(
    'a hold without its beginning',
    'read/holds',
    'read/holds.ts',
    'const dirty = await this.#each(pieces, ({ prefix, keys }) => store.hold(prefix, id, ttl, keys))',
    'const dirty = await this.#each(pieces, async () => [] as string[])',
  ),
  mutant(
    'a hold without its end, whose statement outlasts it',
    'read/holds',
    'read/holds.ts',
    '    await this.#each(pieces, ({ prefix, keys }) => store.release(prefix, id, keys))\n',
    '    void [store, pieces, id]\n',
  ),
  mutant(
    'write-through that leaves the view to the next read',
    'write/direct-writer',
    'read/holds.ts',
    "    if (scope !== 'all') await load?.(scope)\n",
    '',
  ),
  mutant(
    'a statement of which Redis was not told',
    'write/direct-writer',
    'read/holds.ts',
    'const hold = await this.hold(scope)',
    'const hold = await this.hold(scope).catch(() => ({ dirty: [], release: async () => {}, prolong: async () => {} }))',
  ),
  mutant(
    'a record that is parked counts as persisted',
    'flush/barrier',
    'read/inspector.ts',
    'store.due(shards.prefix(shard), key))) === undefined',
    'store.due(shards.prefix(shard), key)) ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY',
  ),
]
