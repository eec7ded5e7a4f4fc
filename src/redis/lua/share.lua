#!lua flags=allow-oom
--[[
  An entry of a hash that all processes share: how many shards a model has, whose the namespace is. The first process that asks says it; it is known
  to all others, also where Redis is full.

  KEYS[1]  the hash
  ARGV     field, value, '1' to replace the value that is there
  Returns  the value that is there
]]
local hash, field, value = KEYS[1], ARGV[1], ARGV[2]
if ARGV[3] == '1' then redis.call('HSET', hash, field, value) else redis.call('HSETNX', hash, field, value) end
return redis.call('HGET', hash, field)
