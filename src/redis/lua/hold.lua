#!lua flags=allow-oom
--[[
  Drops views, because a statement changes their rows without a batch of the library, or has changed them. A hold begins before
  such a statement, and ends after it. Meanwhile Redis gives no lease, so that nobody stores a view of a row that is changing. Pending changes stay.

  Views of named records are deleted with their leases. Those of a whole shard, however many, become void because the epoch of the shard changes; they
  expire like any others.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  what to do: 'hold' · 'release' (a hold that has expired, too) · 'invalidate'
  ARGV[2]  id of the hold
  ARGV[3]  TTL of the hold in ms
  ARGV[4…] the keys; without any, the hold is for every record of the shard

  Returns  the keys among them whose records are dirty
]]
local prefix = KEYS[1]
local what, id, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
-- include now
-- include settle
-- include claims

-- A hold is a member of a sorted set, with the time at which it expires, because its holder may die. The set expires with its last hold. A new set
-- gets its TTL before anybody can see it. So no hold stays for ever if the script stops.
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
