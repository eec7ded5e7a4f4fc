/** The scripts of a write: `src/redis/lua`. */
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
  mutant('the cached row of a dirty record keeps its TTL', 'redis/store', 'redis/lua/include/view.lua', "  call('PERSIST', view)\n", ''),
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
    'an upsert forgets the delete before it',
    'write/writer',
    'redis/lua/include/compose.lua',
    "newState, newExtras = state == 'd' and 'r' or kind == 'create' and 'c' or 'i', '-'",
    "newState, newExtras = 'i', '-'",
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
    'a change in a hash ignores maxWait',
    'redis/due',
    'redis/lua/include/compose.lua',
    'since < late and since + maxWait or latest',
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
    'the sums before a refused one stay',
    'redis/packed',
    'redis/lua/include/compose.lua',
    "        call('DEL', draft)\n        return 'overflow'\n",
    "        return replace(pend, key, packed) or 'overflow'\n",
  ),
  mutant(
    'a cached row that lacks a field decides a condition',
    'redis/condition',
    'redis/lua/include/condition.lua',
    '    if not row[n] then return false end\n',
    '',
  ),
  mutant(
    'an increment creates a field that the cached row lacks',
    'redis/condition',
    'redis/lua/include/view.lua',
    'if not value or value ~= NULL and',
    'if value ~= NULL and',
  ),
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
    'a packed change is deleted before its hash exists',
    'prefixes',
    'redis/lua/include/draft.lua',
    `  call('RENAME', draft, pend)
  call('HDEL', prefix .. 'packed', key)
`,
    `  call('HDEL', prefix .. 'packed', key)
  call('RENAME', draft, pend)
`,
  ),
  mutant(
    'a script that stopped half-way leaves a packed change beside its hash',
    'prefixes',
    'redis/lua/include/draft.lua',
    `  call('SET', prefix .. 'intent', 'open:' .. key)
`,
    ``,
  ),
  mutant(
    'a hash is changed in place, command by command',
    'prefixes',
    'redis/lua/include/draft.lua',
    `  copyChange(pend, packed)
  return draft, false
`,
    `  if not packed then return pend, false end
  copyChange(pend, packed)
  return draft, false
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
    'a denied command counts as a sum outside 64 bits',
    'redis/rights',
    'redis/lua/include/add-to.lua',
    `if not (string.find(sum.err, 'overflow', 1, true)`,
    `if false and not (string.find(sum.err, 'overflow', 1, true)`,
  ),
  mutant(
    'packed sums are added as doubles',
    'redis/packed',
    'redis/lua/include/format.lua',
    'local MAX_DIGITS = 15',
    'local MAX_DIGITS = 30',
  ),
  mutant(
    'a packed change loses its bases when it is added to',
    'redis/packed',
    'redis/lua/include/add-up.lua',
    "(held[2] == -1 and '' or sub(change, held[2] + 1))",
    "''",
  ),
  mutant(
    'a record with a cached row counts as one without',
    'redis/packed',
    'redis/lua/include/clean.lua',
    "others[size] = prefix .. 'view/' .. name",
    "others[size] = prefix .. 'pend/' .. name",
  ),
  mutant('a hash counts as no change', 'redis/packed', 'redis/lua/include/clean.lua', 'if not arePacked then', 'if false then'),
  mutant(
    'a debounce ignores maxWait',
    'flush/worker',
    'redis/lua/write.lua',
    "local late = format('%d', math.max(1e12, now + debounce + slack - maxWait))",
    "local late = ''",
  ),
  mutant(
    'a null becomes the last bound instead of the first',
    'change/compiler',
    'redis/lua/include/bounds.lua',
    "redis.call('HSET', change, mark .. '?' .. name, '1')",
    'local _ = upperFirst',
  ),
  mutant(
    'bounds are compared as doubles',
    'change/compiler',
    'redis/lua/include/bounds.lua',
    '  if not sign or not otherSign then\n',
    '  if tonumber(a) and tonumber(b) then return tonumber(a) < tonumber(b) end\n  if not sign or not otherSign then\n',
  ),
  mutant(
    'an increment does not move earlier bounds',
    'change/compiler',
    'redis/lua/include/fields.lua',
    "ipairs(extras == 'a' and BOUNDS or {})",
    'ipairs({})',
  ),
  mutant(
    'a set keeps earlier bounds',
    'change/compiler',
    'redis/lua/include/fields.lua',
    "    if extras == 'a' then call('HDEL', pend, '^' .. name, '_' .. name, '?' .. name) end\n",
    '',
  ),
  mutant(
    'a cached row does not follow what is added to a packed change',
    'redis/packed',
    'redis/lua/include/compose.lua',
    "withFlag(packed, changeView(prefix .. 'view/' .. named(key)))",
    "withFlag(packed, 'v')",
  ),
  mutant(
    'a packed change does not know that its record has a cached row',
    'redis/packed',
    'redis/lua/include/compose.lua',
    '.. follow(view, keepView(view)) ..',
    ".. (follow(view, keepView(view)) and '-') ..",
  ),
  mutant(
    'any packed change with a cached row counts as one of the same shape',
    'redis/packed',
    'redis/lua/write.lua',
    " and sub(change, STATE, STATE) .. '-' .. sub(change, EXTRAS, headEnd) == head",
    '',
  ),
  mutant(
    'the pending change of a record grows without a limit',
    'sizes',
    'redis/lua/include/compose.lua',
    'return bytes > maxWaiting',
    'return false',
  ),
  mutant(
    'a write replaces a change that cannot be read',
    'redis/unreadable',
    'redis/lua/include/compose.lua',
    "if packed and not flatten(packed) then return 'unreadable' end",
    '',
  ),
  mutant(
    'damaged numbers are added to',
    'redis/unreadable',
    'redis/lua/include/add-up.lua',
    ' or byte(change, from + 1) ~= 0xa0 + #a or not tonumber(a)',
    '',
  ),
]
