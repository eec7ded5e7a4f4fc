#!lua flags=no-writes
--[[
  When a record is due.

  KEYS[1]  prefix of the shard's keys
  ARGV     key
  Returns  time in ms, the earlier one of a claimed record's batch and of what was written since; 'inf' if it is parked; nil if it is clean
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
local due = redis.call('ZSCORE', prefix .. 'dirty', key)
if #claimOf(key) == 0 then return due end
local claimed = redis.call('HGET', prefix .. 'batch', 'due')
return due and tonumber(due) < tonumber(claimed) and due or claimed
