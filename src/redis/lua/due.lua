#!lua flags=allow-oom
--[[
  Tells when a record is due.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  key of the record

  Returns  time in ms: the earlier one of the batch that has claimed the record and of what was written since; 'inf' if it is parked; nil if it
           is clean
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
-- include earlier
local claimed = packedClaim(key) and redis.call('HGET', prefix .. 'batch', 'due') or isApart(key) and 'inf'
-- A packed change has the due time. The index may have an earlier one.
local packed = packedChange(key)
local due = packed and string.match(packed, '^' .. string.rep('%d', DUE_END)) or redis.call('ZSCORE', prefix .. 'dirty', key)
if not due then
  -- A change that is not in the index has to be persisted, too (reindex.lua).
  local flat = pendingChange(key)
  local meta = flat and flat[2]
  due = meta and string.sub(meta, META_SINCE) or not flat and 'inf'
end
return earlier(due, claimed)
