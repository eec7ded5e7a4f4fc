#!lua flags=allow-oom
--[[
  Drops views because their rows change outside of write-behind, or have changed. A hold lasts from before such a statement until after
  it: meanwhile no lease is given, so that no view is made of a row that is changing. Pending changes stay.

  Views of given records are deleted, with their leases. Those of a whole shard become void by a new epoch, whatever their number; they
  expire like any others.

  KEYS[1]  prefix of the shard's keys
  ARGV     what: 'hold' · 'release' (also of a hold that has expired) · 'invalidate' · id of the hold, its TTL ms,
           the keys (none: every record of the shard)
  Returns  those of the keys that are dirty
]]
local prefix = KEYS[1]
local what, id, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- include settle
-- include claims

-- A hold is a member scored by when it expires, since its holder may have died; the last one takes the set with it. A set is never there without
-- a TTL: a new one gets it where nobody looks.
local function mark(holds)
  if what == 'release' then redis.call('ZREM', holds, id) end
  if what ~= 'hold' then return end
  local left = redis.call('PTTL', holds)
  if left == -2 then
    local new = prefix .. 'draft'
    redis.call('DEL', new)
    redis.call('ZADD', new, now + ttl, id)
    redis.call('PEXPIRE', new, ttl)
    redis.call('RENAME', new, holds)
  else
    if left < ttl then redis.call('PEXPIRE', holds, ttl) end
    redis.call('ZADD', holds, now + ttl, id)
    redis.call('ZREMRANGEBYSCORE', holds, '-inf', now)
  end
end

local function drop(key)
  redis.call('UNLINK', prefix .. 'view/' .. named(key), prefix .. 'lease/' .. named(key))
  flagView(key, '-')
end

if #ARGV == 3 then
  mark(prefix .. 'holds')
  redis.call('INCR', prefix .. 'epoch')
  return {}
end
local dirty = {}
for n = 4, #ARGV do
  mark(prefix .. 'hold/' .. named(ARGV[n]))
  drop(ARGV[n])
  if isDirty(ARGV[n]) then dirty[#dirty + 1] = ARGV[n] end
end
return dirty
