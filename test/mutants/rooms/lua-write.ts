/** The script of a write: `src/redis/lua/write.lua`. */
import { type Mutant, mutant } from '../mutant.js'

export const LUA_WRITE: readonly Mutant[] = [
  {
    breaks: 'the writer marks a record dirty outside the script',
    test: 'test/redis/store.test.ts',
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
    'dirty changes have a TTL',
    'redis/store',
    'redis/lua/write.lua',
    'if scored > 0 then\n',
    "if scored > 0 then\n  call('PEXPIRE', packedKey, 3600000)\n",
  ),
  mutant(
    'a write adds no job to a shard that has parked records',
    'redis/store',
    'redis/lua/write.lua',
    "(first == false or first == 'inf') and",
    'first == false and',
  ),
  mutant(
    'a write adds a job although a batch is in flight',
    'redis/store',
    'redis/lua/write.lua',
    " and call('EXISTS', prefix .. 'batch') == 0 then",
    ' then',
  ),
  mutant(
    'a write that is sent twice is stored twice',
    'redis/store',
    'redis/lua/write.lua',
    "if sequence <= seen then return reply or redis.error_reply('UNFINISHED the call stopped half-way') end",
    '',
  ),
  mutant(
    'a call that stopped half-way is carried out again when its error is lost',
    'prefixes',
    'redis/lua/write.lua',
    "if sequence <= seen then return reply or redis.error_reply('UNFINISHED the call stopped half-way') end",
    'if reply and sequence <= seen then return reply end',
  ),
  mutant(
    'an operation of another shape is added to a packed change',
    'redis/packed',
    'redis/lua/write.lua',
    'local isOfShape = addsUp and sub(change, STATE, headEnd) == head',
    'local isOfShape = addsUp',
  ),
  mutant(
    'Redis searches a large index from its start',
    'redis/packed',
    'redis/lua/write.lua',
    '    scored, count = scored + 2, count + 2\n',
    '    count = count + 2\n    scores[scored + 1], scores[scored + 2] = nil, nil\n',
  ),
  mutant(
    'the member that forces a hash table stays among the changes',
    'redis/packed',
    'redis/lua/write.lua',
    "    call('HDEL', packedKey, long)\n",
    '',
  ),
  mutant(
    'later writes do not put a record off',
    'redis/due',
    'redis/lua/write.lua',
    'if begin < soonest or begin > latest then',
    'if begin > latest then',
  ),
  mutant(
    'a record keeps a due time that is later than its policy allows now',
    'redis/due',
    'redis/lua/write.lua',
    'if begin < soonest or begin > latest then',
    'if begin < soonest then',
  ),
  mutant(
    'a packed change ignores maxWait',
    'redis/due',
    'redis/lua/write.lua',
    "since < late and format('%d', since + maxWait) or latest",
    'latest',
  ),
  mutant(
    'a change that is put off does not hold its new due time',
    'redis/due',
    'redis/lua/write.lua',
    'if new ~= held then begin = new .. since .. sub(begin, STATE) end',
    '',
  ),
  mutant('a record is due before the index says so', 'redis/due', 'redis/lua/write.lua', 'if new < held then due = new end', ''),
  mutant(
    'a clock that is set back extends maxWait',
    'redis/due',
    'redis/lua/write.lua',
    '          if since > nowText then since = nowText end\n',
    '',
  ),
  mutant(
    'the script writes the index after the change',
    'prefixes',
    'redis/lua/write.lua',
    `    call('ZADD', dirtyKey, unpack(scores))
  end
  if count > 0 then call('HSET', packedKey, unpack(stored)) end
`,
    `    if count > 0 then call('HSET', packedKey, unpack(stored)) end
    call('ZADD', dirtyKey, unpack(scores))
  elseif count > 0 then call('HSET', packedKey, unpack(stored)) end
`,
  ),
  mutant(
    'the member that forces a hash table leaves the index before the changes',
    'prefixes',
    'redis/lua/write.lua',
    `    call('HDEL', packedKey, long)
    call('ZREM', dirtyKey, long)
`,
    `    call('ZREM', dirtyKey, long)
    call('HDEL', packedKey, long)
`,
  ),
  mutant(
    'a debounce ignores maxWait',
    'flush/worker',
    'redis/lua/write.lua',
    "local late = format('%d', math.max(1e12, now + debounce + slack - maxWait))",
    "local late = ''",
  ),
  mutant(
    'any packed change with a cached row counts as one of the same shape',
    'redis/packed',
    'redis/lua/write.lua',
    " and sub(change, STATE, STATE) .. '-' .. sub(change, EXTRAS, headEnd) == head",
    '',
  ),
]
