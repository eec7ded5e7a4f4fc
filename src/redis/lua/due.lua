#!lua flags=no-writes
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
return earlier(packed and string.match(packed, '^' .. string.rep('%d', 13)) or redis.call('ZSCORE', prefix .. 'dirty', key), claimed)
