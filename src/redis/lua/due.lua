#!lua flags=allow-oom
--[[
  When a record is due.

  KEYS[1]  prefix of the shard's keys
  ARGV     key
  Returns  time in ms, the earlier one of a claimed record's batch and of what was written since; 'inf' if it is parked; nil if it is clean
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
-- include earlier
local claimed = packedClaim(key) and redis.call('HGET', prefix .. 'batch', 'due') or isApart(key) and 'inf'
-- The index may have an earlier time than a packed change.
local packed = packedChange(key)
local due = packed and string.match(packed, '^' .. string.rep('%d', 13)) or redis.call('ZSCORE', prefix .. 'dirty', key)
if not due then
  -- A change that is not in the index is none the less not persisted (see reindex.lua).
  local flat = pendingChange(key)
  local meta = flat and flat[2]
  due = meta and string.sub(meta, 4) or not flat and 'inf'
end
return earlier(due, claimed)
