#!lua flags=no-writes
--[[
  What of one record is not in the database yet.

  KEYS[1]  prefix of the shard's keys
  ARGV     key
  Returns  { claimed change, pending change, parked entry or nil, 1 if there is a change that cannot be read }, the changes as flat lists, empty if
           there is none
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
local claimed = claimOf(key)
-- Until a move between both has ended (settle.lua), what is claimed may still be pending, too.
local moves = claimed and #claimed > 0 and redis.call('EXISTS', prefix .. 'intent') == 1
local pending = moves and {} or pendingChange(key)
return {
  claimed or {},
  pending or {},
  redis.call('HGET', prefix .. 'parked', key),
  (not claimed or not pending or isApart(key)) and 1 or 0,
}
