#!lua flags=no-writes
--[[
  What of one record is not in the database yet.

  KEYS[1]  prefix of the shard's keys
  ARGV     key
  Returns  { claimed change, pending change, parked entry or nil }, the changes as flat lists, empty if there is none
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
return {
  claimOf(key),
  pendingChange(key),
  redis.call('HGET', prefix .. 'parked', key),
}
