#!lua flags=allow-oom
--[[
  How many shards a model has. The first process that asks says it; it is known to all others, also where Redis is full.

  KEYS[1]  hash of the numbers of shards
  ARGV     model, number of shards, '1' to replace the number that is there
  Returns  the number that is there
]]
local numbers, model, count = KEYS[1], ARGV[1], ARGV[2]
if ARGV[3] == '1' then redis.call('HSET', numbers, model, count) else redis.call('HSETNX', numbers, model, count) end
return tonumber(redis.call('HGET', numbers, model))
