/** Ways to break the library, each of which some test has to notice. */

export interface Edit {
  readonly file: string
  /** Text that is there exactly once. */
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  /** What is broken, in the words of the list. */
  readonly breaks: string
  readonly edits: readonly Edit[]
  /** The test file that has to fail. */
  readonly test: string
}

function mutant(breaks: string, test: string, file: string, find: string, replace: string): Mutant {
  return { breaks, test: `test/${test}.test.ts`, edits: [{ file: `src/${file}`, find, replace }] }
}

export const MUTANTS: readonly Mutant[] = [
  mutant(
    'no ledger check: a batch is applied whenever it comes',
    'flush',
    'database/statement.ts',
    'is not distinct from $3::text and not',
    'is not null or not',
  ),
  mutant(
    'the ledger forgets the batch before: only a repeated id is refused',
    'flush',
    'database/statement.ts',
    'is not distinct from $3::text and not',
    'is not null and not',
  ),
  mutant('an emptied ledger takes any batch', 'steps', 'database/statement.ts', 'where $3::text is null or exists', 'where true or exists'),
  mutant(
    'acknowledge without batch id',
    'steps',
    'redis/lua/acknowledge.lua',
    'if batch[1] ~= id then return false end',
    'if not batch[1] then return false end',
  ),
  mutant(
    'pop instead of claim: what a flusher took is gone with it',
    'flush',
    'redis/lua/claim.lua',
    'return { id, acked, writes, packedKeys, packedChanges, traces }',
    `redis.call('DEL', batchKey)
return { id, acked, writes, packedKeys, packedChanges, traces }`,
  ),
  mutant(
    'a batch in flight is not returned again, but a new one made',
    'flush',
    'redis/lua/claim.lua',
    'if inFlight[1] then return inFlight end',
    '',
  ),
  {
    breaks: 'dirty mark outside the script',
    test: 'test/steps.test.ts',
    edits: [
      { file: 'src/redis/lua/write.lua', find: "call('ZADD', dirtyKey, unpack(scores))", replace: 'local _ = scores' },
      {
        file: 'src/redis/store.ts',
        find: '    const packed = packWrite(writer, sequence, writes, limits, operations, traces)\n',
        replace: `    const packed = packWrite(writer, sequence, writes, limits, operations, traces)
    setImmediate(() => {
      for (const { key } of operations) void this.#redis.zadd(\`\${prefix}dirty\`, Date.now() + limits.debounce, key)
    })
`,
      },
    ],
  },
  mutant(
    'no sweeper',
    'flush',
    'flush/sweeper.ts',
    '    for (let shard = 0; shard < shards.count; shard++) await this.#sweepShard(shard, now)\n',
    '    void shards\n',
  ),
  mutant('failed jobs stay on the board when all is well', 'flush', 'flush/sweeper.ts', '    await this.#sweepFailed(now)\n', ''),
  mutant('unsorted rows', 'steps', 'flush/flusher.ts', '    changes.sort((a, b) => (a.key < b.key ? -1 : 1))\n', ''),
  mutant(
    'TTL on dirty data',
    'steps',
    'redis/lua/write.lua',
    "if scored > 0 then call('ZADD'",
    "for n = 2, scored, 2 do call('PEXPIRE', pendPrefix .. scores[n], 3600000) end\nif scored > 0 then call('ZADD'",
  ),
  mutant('TTL on the view of a dirty record', 'steps', 'redis/lua/compose.lua', "  call('PERSIST', view)\n", ''),
  mutant('no writer sequence', 'write', 'redis/lua/write.lua', '  if sequence <= seen then return reply end\n', ''),
  mutant(
    'claim not frozen: what it took stays pending, and later writes are added to it',
    'steps',
    'redis/lua/claim.lua',
    "  for n = 1, size, 1000 do redis.call('DEL', unpack(taken, n, math.min(n + 999, size))) end\n",
    '',
  ),
  mutant(
    'a split without the void',
    'schedules',
    'flush/flusher.ts',
    'const isVoid = await this.#context.limit.run(() => this.#context.database.void(this.#context.shards.ledger(shard), head))',
    'const isVoid = true',
  ),
  mutant(
    'deletes and upserts reordered: an insert forgets the delete before it',
    'steps',
    'redis/lua/compose.lua',
    "newState = state == 'd' and 'r' or kind == 'create' and 'c' or 'i'",
    "newState = 'i'",
  ),
  mutant(
    'writes of one moment reordered',
    'steps',
    'redis/writer.ts',
    'const group = this.#waiting.splice(0, MOST_IN_A_CALL)',
    'const group = this.#waiting.splice(0, MOST_IN_A_CALL).reverse()',
  ),
  mutant(
    'a write is added to an earlier one, past what lies between',
    'steps',
    'redis/writer.ts',
    '    this.#lastByKey.set(operation.key, entry)\n',
    '    if (!this.#lastByKey.has(operation.key)) this.#lastByKey.set(operation.key, entry)\n',
  ),
  mutant(
    'a load that ignores pending changes',
    'flush',
    'redis/lua/load.lua',
    " and lay(view, pendingChange(prefix .. 'pend:' .. key))\n",
    '\n',
  ),
  mutant('a load that ignores claims', 'flush', 'redis/lua/load.lua', '(persisted[key] or lay(view, claimOf(key))) and', ''),
  mutant(
    'a load that lays over the row what it holds',
    'schedules',
    'redis/lua/load.lua',
    '(persisted[key] or lay(view, claimOf(key)))',
    'lay(view, claimOf(key))',
  ),
  mutant(
    'a load of a row whose ledger has moved',
    'schedules',
    'redis/lua/load.lua',
    "  if outcome == 'moved' then return false end\n",
    '',
  ),
  mutant(
    'a load stores without its lease',
    'holds',
    'redis/lua/load.lua',
    "redis.call('GET', prefix .. 'lease:' .. key) == lease",
    "type(key) == 'string'",
  ),
  mutant('a lease of an earlier epoch is good', 'holds', 'redis/lua/load.lua', "string.sub(lease, -#epoch - 1) == '.' .. epoch and", ''),
  mutant(
    'a hold that nobody looks at',
    'holds',
    'redis/lua/read.lua',
    "if redis.call('EXISTS', prefix .. 'holds', prefix .. 'hold:' .. key) > 0",
    'if false',
  ),
  mutant('a hold that leaves leases', 'holds', 'redis/lua/hold.lua', ", prefix .. 'lease:' .. key)", ')'),
  mutant(
    'a release that drops nothing',
    'holds',
    'redis/lua/hold.lua',
    '  drop(ARGV[n])\n',
    "  if what ~= 'release' then drop(ARGV[n]) end\n",
  ),
  mutant(
    'a release of the model that drops nothing',
    'holds',
    'redis/lua/hold.lua',
    "  redis.call('INCR', prefix .. 'epoch')\n",
    "  if what ~= 'release' then redis.call('INCR', prefix .. 'epoch') end\n",
  ),
  mutant(
    'holds that last as long as others come',
    'holds',
    'redis/lua/hold.lua',
    "    redis.call('ZREMRANGEBYSCORE', holds, '-inf', now)\n",
    '',
  ),
  mutant(
    'a pending change that takes a dropped view for there',
    'holds',
    'redis/lua/hold.lua',
    "  flagView(prefix .. 'pend:' .. key, '-')\n",
    '',
  ),
  mutant(
    'a hold that is released though its statement may be carried out yet',
    'holds',
    'strategies/holds.ts',
    'await (isUndecided(error) ? hold.prolong() : hold.release())',
    'await hold.release()',
  ),
  mutant(
    'a direct write without a hold',
    'strategy-schedules',
    'strategies/direct-writer.ts',
    'await this.#context.holds.during([key], async',
    'await (async (_: unknown, run: (hold: { dirty: string[] }) => Promise<void>) => run({ dirty: [] }))([key], async',
  ),
  mutant(
    'a hold without its beginning',
    'holds',
    'strategies/holds.ts',
    'const dirty = await this.#each(pieces, ({ prefix, keys }) => store.hold(prefix, id, ttl, keys))',
    'const dirty = await this.#each(pieces, async () => [] as string[])',
  ),
  mutant(
    'a hold without its end, whose statement outlasts it',
    'holds',
    'strategies/holds.ts',
    '    await this.#each(pieces, ({ prefix, keys }) => store.release(prefix, id, keys))\n',
    '    void [store, pieces, id]\n',
  ),
  mutant(
    'a direct write before what was written behind',
    'strategies',
    'strategies/direct-writer.ts',
    'if (dirty.length > 0) await',
    'if (dirty.length < 0) await',
  ),
  mutant(
    'write-through that leaves the view to the next read',
    'strategies',
    'strategies/holds.ts',
    "    if (scope !== 'all') await load?.(scope)\n",
    '',
  ),
  mutant(
    'a switch of the strategy that leaves dirty records',
    'strategies',
    'create.ts',
    '  await drainSwitched(parts, shared.barrier)\n',
    '',
  ),
  mutant(
    'a statement of which Redis was not told',
    'strategies',
    'strategies/holds.ts',
    'const hold = await this.hold(scope)',
    'const hold = await this.hold(scope).catch(() => ({ dirty: [], release: async () => {}, prolong: async () => {} }))',
  ),
  mutant(
    'an outcome that nobody knows taken for a failure',
    'strategies',
    'database/failure.ts',
    "return code === 'OUTAGE' && !NOT_CARRIED_OUT.test(databaseCode ?? '')",
    "return code === 'OUTAGE' && databaseCode === 'none'",
  ),
  mutant('outages swallowed', 'flush', 'flush/flusher.ts', "error.code !== 'REFUSED') throw error", "error.code !== 'REFUSED') return"),
  mutant('an outage parks records', 'flush', 'database/failure.ts', "  return 'OUTAGE'\n", "  return 'REFUSED'\n"),
  mutant(
    'a refused record blocks the others',
    'flush',
    'flush/flusher.ts',
    'if (batch.size > 1) return store.split(shards.prefix(shard), batch.id, randomUUID())',
    'if (batch.size > 1) throw error',
  ),
  mutant(
    'a parked change that a newer one replaces instead of adding to it',
    'schedules',
    'redis/lua/park.lua',
    "    state = compose(earlier, later)\n    redis.call('RENAME', claim, pend)\n",
    "    state = laterState\n    redis.call('DEL', claim)\n",
  ),
  mutant(
    'a record that was written while it was flushed counts as clean',
    'steps',
    'redis/lua/acknowledge.lua',
    "if present and redis.call('EXISTS', prefix .. 'pend:' .. key) == 0 then",
    'if present then',
  ),
  mutant(
    'a claimed record counts as clean',
    'barrier',
    'redis/lua/claims.lua',
    'return keys and (string.find(keys, key, 1, true) or rest and string.find(rest, key, 1, true))',
    'return keys and false',
  ),
  mutant(
    'a view of a claimed record that the batch does not know of stays for ever',
    'steps',
    'redis/lua/load.lua',
    "    redis.call('HSET', prefix .. 'batch', 'views', '1')\n",
    '',
  ),
  mutant(
    'a batch that thinks its records have no views',
    'steps',
    'redis/lua/claim.lua',
    "if views then redis.call('HSET', batchKey, 'views', '1') end\n",
    '',
  ),
  mutant(
    'an operation of another shape is added to a packed change',
    'packed',
    'redis/lua/write.lua',
    'if addsUp and sub(change, 14, 13 + #head) == head then',
    'if addsUp then',
  ),
  mutant('packed sums as doubles', 'packed', 'redis/lua/write.lua', 'local MOST_DIGITS = 15', 'local MOST_DIGITS = 30'),
  mutant(
    'of a record that comes twice in a call the first is forgotten',
    'packed',
    'redis/pack.ts',
    ' && !keys.has((operations[to] as Operation).key)',
    '',
  ),
  mutant(
    'a packed change that is added to loses its bases',
    'packed',
    'redis/lua/write.lua',
    "(held[1] == -1 and '' or sub(change, held[1] + 1))",
    "''",
  ),
  mutant(
    'a viewed record counts as one without',
    'packed',
    'redis/lua/write.lua',
    'names[size + 1], names[size + 2] = pends[n], viewPrefix .. entries[first + 2 * n - 2]',
    'names[size + 1], names[size + 2] = pends[n], pends[n]',
  ),
  mutant(
    'what is claimed stays in the index',
    'steps',
    'redis/lua/claim.lua',
    "redis.call('ZREMRANGEBYRANK', dirtyKey, 0, size - 1)",
    'local _',
  ),
  mutant('an emptied Redis blocks its shards', 'flush', 'flush/flusher.ts', 'head = { id: batch.id, previous: result.ledger }', 'return'),
  mutant(
    'a shard that is flushed all the time',
    'flush',
    'flush/worker.ts',
    'Math.min(this.#context.policy.debounce, LONGEST_REST)',
    'Math.min(0, LONGEST_REST)',
  ),
  mutant('debounce without maxWait', 'flush', 'redis/lua/write.lua', 'since < late and sub(since, 1, 13) + maxWait or dueText', 'dueText'),
  mutant('no limit of the backlog', 'write', 'redis/lua/write.lua', "if dirty >= mostDirty then return 'backlog' end", ''),
  mutant(
    'values in the reasons',
    'poison',
    'database/failure.ts',
    'const details = [databaseCode,',
    'const details = [String(error), databaseCode,',
  ),
  mutant(
    'a close that does not flush',
    'flush',
    'write-behind.ts',
    '      await this.#barrier.flush(this.#parts, deadline, (records) => {',
    '      if (deadline < 0) await this.#barrier.flush(this.#parts, deadline, (records) => {',
  ),
  mutant(
    'a null becomes the bound that came last',
    'operations',
    'redis/lua/bounds.lua',
    "redis.call('HSET', change, mark .. '?' .. name, '1')",
    'local _ = upperFirst',
  ),
  mutant(
    'bounds compared as doubles',
    'operations',
    'redis/lua/bounds.lua',
    '  if not sign or not otherSign then\n',
    '  if tonumber(a) and tonumber(b) then return tonumber(a) < tonumber(b) end\n  if not sign or not otherSign then\n',
  ),
  mutant(
    'increments that leave the bounds before them where they were',
    'operations',
    'redis/lua/compose.lua',
    "ipairs(extras == 'a' and BOUNDS or {})",
    'ipairs({})',
  ),
  mutant(
    'sets that leave the bounds before them',
    'operations',
    'redis/lua/compose.lua',
    "    if extras == 'a' then call('HDEL', pend, '^' .. name, '_' .. name, '?' .. name) end\n",
    '',
  ),
  mutant(
    'a parked change that forgets newer bounds',
    'operations',
    'redis/lua/park.lua',
    "  if what('^') or what('_') then bound(",
    "  if what('?') then bound(",
  ),
  mutant(
    'a load that ignores bounds',
    'operations',
    'redis/lua/load.lua',
    '  if lower or upper then clampField',
    '  if false then clampField',
  ),
  mutant(
    'a barrier for a record that is content with an older batch of it',
    'barrier',
    'flush/flusher.ts',
    "if ('key' in target && claim.batch.id.startsWith(newId)) break",
    "if ('key' in target && unpackRecords(claim.batch.packed).keys.includes(target.key)) break",
  ),
  mutant(
    'a record that is parked counts as persisted',
    'barrier',
    'redis/inspector.ts',
    'store.due(shards.prefix(shard), key))) === undefined',
    'store.due(shards.prefix(shard), key)) ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY',
  ),
]
