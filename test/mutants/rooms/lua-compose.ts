/** What a write does to the change and the cached row of its record: `src/redis/lua/include`. */
import { type Mutant, mutant } from '../mutant.js'

export const LUA_COMPOSE: readonly Mutant[] = [
  mutant('the cached row of a dirty record keeps its TTL', 'redis/store', 'redis/lua/include/view.lua', "  call('PERSIST', view)\n", ''),
  mutant(
    'an upsert forgets the delete before it',
    'write/writer',
    'redis/lua/include/compose.lua',
    "newState, newExtras = state == 'd' and 'r' or kind == 'create' and 'c' or 'i', '-'",
    "newState, newExtras = 'i', '-'",
  ),
  mutant(
    'a change in a hash ignores maxWait',
    'redis/due',
    'redis/lua/include/compose.lua',
    'since < late and since + maxWait or latest',
    'latest',
  ),
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
