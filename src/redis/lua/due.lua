#!lua flags=no-writes
--[[
  When a record is due.

  KEYS[1]  prefix of the shard's keys
  ARGV     key
  Returns  time in ms, of a claimed record that of its batch; 'inf' if it is parked; nil if it is clean
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
local due = redis.call('ZSCORE', prefix .. 'dirty', key)
if due then return due end
return #claimOf(key) > 0 and redis.call('HGET', prefix .. 'batch', 'due')
