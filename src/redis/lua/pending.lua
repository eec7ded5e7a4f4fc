#!lua flags=no-writes
--[[
  Returns the changes of a record that are not in the database yet.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  key of the record

  Returns  { claimed change, pending change, parked entry or nil, 1 if there is a change that cannot be read, else 0 }: changes as flat lists, empty
           where there is none
]]
local prefix, key = KEYS[1], ARGV[1]
-- include claims
local claimed = claimOf(key)
-- A claim that stopped half-way (settle.lua) may have left the claimed change among the pending ones.
local moves = claimed and #claimed > 0 and redis.call('EXISTS', prefix .. 'intent') == 1
local pending = moves and {} or pendingChange(key)
return {
  claimed or {},
  pending or {},
  redis.call('HGET', prefix .. 'parked', key),
  (not claimed or not pending or isApart(key)) and 1 or 0,
}
