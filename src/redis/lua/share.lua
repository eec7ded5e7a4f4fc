#!lua flags=allow-oom
--[[
  Reads an entry of a hash that all processes share: how many shards a model has, which database the namespace belongs to. The first process that asks
  writes it. It is written even if the memory of Redis is full.

  KEYS[1]  the hash
  ARGV[1]  field
  ARGV[2]  value
  ARGV[3]  '1' to replace the value that is there

  Returns  the value that is there now
]]
local hash, field, value = KEYS[1], ARGV[1], ARGV[2]
if ARGV[3] == '1' then redis.call('HSET', hash, field, value) else redis.call('HSETNX', hash, field, value) end
return redis.call('HGET', hash, field)
