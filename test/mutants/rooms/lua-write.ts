/** The scripts of a write: `src/redis/lua`. */
import { type Mutant, mutant } from '../mutant.js'

export const LUA_WRITE: readonly Mutant[] = [
  {
    breaks: 'dirty mark outside the script',
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
    'TTL on dirty data',
    'redis/store',
    'redis/lua/write.lua',
    'if scored > 0 then\n',
    "if scored > 0 then\n  call('PEXPIRE', packedKey, 3600000)\n",
  ),
  mutant(
    'a shard of parked records has its alarm',
    'redis/store',
    'redis/lua/write.lua',
    "(first == false or first == 'inf') and",
    'first == false and',
  ),
  mutant(
    'a batch in flight is no alarm',
    'redis/store',
    'redis/lua/write.lua',
    " and call('EXISTS', prefix .. 'batch') == 0 then",
    ' then',
  ),
  mutant('TTL on the view of a dirty record', 'redis/store', 'redis/lua/include/compose.lua', "  call('PERSIST', view)\n", ''),
  mutant('no writer sequence', 'redis/store', 'redis/lua/write.lua', '  if sequence <= seen then return reply end\n', ''),
  mutant(
    'deletes and upserts reordered: an insert forgets the delete before it',
    'write/writer',
    'redis/lua/include/compose.lua',
    "newState, newExtras = state == 'd' and 'r' or kind == 'create' and 'c' or 'i', '-'",
    "newState, newExtras = 'i', '-'",
  ),
  mutant(
    'an operation of another shape is added to a packed change',
    'redis/packed',
    'redis/lua/write.lua',
    'local isOfShape = addsUp and sub(change, 27, from) == head',
    'local isOfShape = addsUp',
  ),
  mutant(
    'an index that Redis searches from its start, however large',
    'redis/packed',
    'redis/lua/write.lua',
    '    scored, count = scored + 2, count + 2\n',
    '    count = count + 2\n    scores[scored + 1], scores[scored + 2] = nil, nil\n',
  ),
  mutant(
    'what makes a table of the changes stays among them',
    'redis/packed',
    'redis/lua/write.lua',
    "    call('HDEL', packedKey, long)\n",
    '',
  ),
  mutant(
    'a record due a debounce after its first write, however often it is written',
    'redis/due',
    'redis/lua/write.lua',
    'if begin < soonest or begin > latest then',
    'if begin > latest then',
  ),
  mutant(
    'a record that keeps a due time later than its policy has it now',
    'redis/due',
    'redis/lua/write.lua',
    'if begin < soonest or begin > latest then',
    'if begin < soonest then',
  ),
  mutant(
    'maxWait forgotten where a change is packed',
    'redis/due',
    'redis/lua/write.lua',
    "since < late and format('%d', since + maxWait) or latest",
    'latest',
  ),
  mutant(
    'maxWait forgotten where a change is a hash',
    'redis/due',
    'redis/lua/include/compose.lua',
    'since < late and since + maxWait or latest',
    'latest',
  ),
  mutant(
    'a record that is put off, and does not know it',
    'redis/due',
    'redis/lua/write.lua',
    'if new ~= held then begin = new .. since .. sub(begin, 27) end',
    '',
  ),
  mutant('a record that is due before the index has it', 'redis/due', 'redis/lua/write.lua', 'if new < held then due = new end', ''),
  mutant(
    'what was added before the sum that is refused stays',
    'redis/packed',
    'redis/lua/include/compose.lua',
    "      call('DEL', draft)\n      return 'overflow'\n",
    "      return replace(pend, key, packed) or 'overflow'\n",
  ),
  mutant(
    'a view that lacks a field counts as whole where it decides',
    'redis/condition',
    'redis/lua/include/condition.lua',
    '    if not row[n] then return false end\n',
    '',
  ),
  mutant(
    'an increment makes the field that a view lacks',
    'redis/condition',
    'redis/lua/include/compose.lua',
    'if not value or value ~= NULL and',
    'if value ~= NULL and',
  ),
  mutant(
    'a clock that is put back puts off maxWait',
    'redis/due',
    'redis/lua/write.lua',
    '          if since > nowText then since = nowText end\n',
    '',
  ),
  mutant(
    'the index after the change',
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
    'a packed change that goes before its hash is there',
    'prefixes',
    'redis/lua/include/compose.lua',
    `  call('RENAME', draft, pend)
  call('HDEL', packedKey, key)
`,
    `  call('HDEL', packedKey, key)
  call('RENAME', draft, pend)
`,
  ),
  mutant(
    'a packed change beside its hash, of which nobody knows',
    'prefixes',
    'redis/lua/include/compose.lua',
    `  call('SET', prefix .. 'intent', 'open:' .. key)
`,
    ``,
  ),
  mutant(
    'a hash is changed where it is, command by command',
    'prefixes',
    'redis/lua/include/compose.lua',
    `  copyChange(pend, packed)
  return draft, false
`,
    `  if not packed then return pend, false end
  copyChange(pend, packed)
  return draft, false
`,
  ),
  mutant(
    'what makes a table of the changes leaves the index before it leaves them',
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
    'a command that may not run counts as a sum outside 64 bits',
    'redis/rights',
    'redis/lua/include/addto.lua',
    `if not (string.find(sum.err, 'overflow', 1, true)`,
    `if false and not (string.find(sum.err, 'overflow', 1, true)`,
  ),
  mutant('packed sums as doubles', 'redis/packed', 'redis/lua/write.lua', 'local MAX_DIGITS = 15', 'local MAX_DIGITS = 30'),
  mutant(
    'a packed change that is added to loses its bases',
    'redis/packed',
    'redis/lua/include/addup.lua',
    "(held[2] == -1 and '' or sub(change, held[2] + 1))",
    "''",
  ),
  mutant(
    'a viewed record counts as one without',
    'redis/packed',
    'redis/lua/write.lua',
    'others[some] = viewPrefix .. named(keys[m])',
    'others[some] = pendPrefix .. keys[m]',
  ),
  mutant('a hash counts as no change', 'redis/packed', 'redis/lua/write.lua', 'if not arePacked then', 'if false then'),
  mutant(
    'debounce without maxWait',
    'flush/worker',
    'redis/lua/write.lua',
    "local late = format('%d', math.max(1e12, now + debounce + slack - maxWait))",
    "local late = ''",
  ),
  mutant(
    'a null becomes the bound that came last',
    'change/compiler',
    'redis/lua/include/bounds.lua',
    "redis.call('HSET', change, mark .. '?' .. name, '1')",
    'local _ = upperFirst',
  ),
  mutant(
    'bounds compared as doubles',
    'change/compiler',
    'redis/lua/include/bounds.lua',
    '  if not sign or not otherSign then\n',
    '  if tonumber(a) and tonumber(b) then return tonumber(a) < tonumber(b) end\n  if not sign or not otherSign then\n',
  ),
  mutant(
    'increments that leave the bounds before them where they were',
    'change/compiler',
    'redis/lua/include/compose.lua',
    "ipairs(extras == 'a' and BOUNDS or {})",
    'ipairs({})',
  ),
  mutant(
    'sets that leave the bounds before them',
    'change/compiler',
    'redis/lua/include/compose.lua',
    "    if extras == 'a' then call('HDEL', pend, '^' .. name, '_' .. name, '?' .. name) end\n",
    '',
  ),
  mutant(
    'a view that does not follow what is added to a packed change',
    'redis/packed',
    'redis/lua/include/compose.lua',
    '.. changeView(viewPrefix .. named(key)) .. sub(packed, 29)',
    ".. 'v' .. sub(packed, 29)",
  ),
  mutant(
    'a packed change that does not know of the view it began with',
    'redis/packed',
    'redis/lua/include/compose.lua',
    '.. follow(view, keepView(view)) ..',
    ".. (follow(view, keepView(view)) and '-') ..",
  ),
  mutant(
    'any packed change with a view taken for one of the same shape',
    'redis/packed',
    'redis/lua/write.lua',
    " and sub(change, 27, 27) .. '-' .. sub(change, 29, from) == head",
    '',
  ),
  mutant(
    'what waits of a record grows without end',
    'sizes',
    'redis/lua/include/compose.lua',
    'return bytes > MAX_WAITING * largest',
    'return false',
  ),
  mutant(
    'a write takes the place of a change that cannot be read',
    'redis/unreadable',
    'redis/lua/include/compose.lua',
    "if packed and not flatten(packed) then return 'unreadable' end",
    '',
  ),
  mutant(
    'damaged numbers are added to',
    'redis/unreadable',
    'redis/lua/include/addup.lua',
    ' or string.byte(change, from + 1) ~= 0xa0 + #a or not tonumber(a)',
    '',
  ),
]
