#!lua flags=no-writes
--[[
  What of one record is not in the database yet.

  KEYS[1]  prefix of the shard's keys
  ARGV     key
  Returns  { claimed change, pending change, parked entry or nil }, the changes as flat lists, empty if there is none
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
local claimed = claimOf(key)
-- Until a move between both has ended (settle.lua), what is claimed may still be pending, too.
local moves = #claimed > 0 and redis.call('EXISTS', prefix .. 'intent') == 1
return {
  claimed,
  moves and {} or pendingChange(key),
  redis.call('HGET', prefix .. 'parked', key),
}
