#!lua flags=allow-oom
--[[
  Counts the claims of the batch in flight from zero again. Does nothing if another batch is in flight.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  id of the batch

  Returns  1 if it is in flight, else 0
]]
local batchKey = KEYS[1] .. 'batch'
if redis.call('HGET', batchKey, 'id') ~= ARGV[1] then return 0 end
redis.call('HSET', batchKey, 'tries', '0')
return 1
