#!lua flags=allow-oom
--[[
  Puts changes into the index that are not in it, because they would never be flushed. No script leaves such a change, but an older release or
  somebody else may have left one. It looks at a part of the packed changes, or of the parked records, whose changes are hashes. Other hashes
  cannot be found here: the next write to such a record puts it into the index.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  where to look: 'packed' · 'parked'
  ARGV[2]  cursor: '0' at first
  ARGV[3]  about how many entries to look at

  Returns  { cursor to go on from, '0' at the end; number of changes that were put into the index }
]]
local prefix = KEYS[1]
local what, cursor, count = ARGV[1], ARGV[2], ARGV[3]
local dirtyKey = prefix .. 'dirty'
-- include settle
-- include in-parts

local function dueOf(key, value)
  if what == 'packed' then return string.sub(value, 1, DUE_END) end
  return redis.call('EXISTS', prefix .. 'pend/' .. named(key)) == 1 and 'inf'
end

local page = redis.call('HSCAN', prefix .. what, cursor, 'COUNT', count)
local keys, values, found = {}, {}, 0
for n = 1, #page[2], 2 do keys[#keys + 1], values[#values + 1] = page[2][n], page[2][n + 1] end
inParts(keys, function(first, ...)
  for n, due in ipairs(redis.call('ZMSCORE', dirtyKey, ...)) do
    local key, value = keys[first + n - 1], values[first + n - 1]
    local missing = not due and dueOf(key, value)
    -- An empty change belongs to the long member, for which Redis makes a hash table (write.lua).
    if missing == '' then redis.call('HDEL', prefix .. what, key)
    elseif missing then found = found + redis.call('ZADD', dirtyKey, 'NX', missing, key) end
  end
end)
return { page[1], found }
