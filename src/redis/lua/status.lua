#!lua
--[[
  What is to be known of a shard.

  KEYS[1]  prefix of the shard's keys
  Returns  { dirty records, parked ones, 1 if a batch is in flight, due time of the first dirty record that is not parked or nil,
             writes accepted or nil, rows persisted or nil, batches acknowledged or nil }
]]
local prefix = KEYS[1]
-- include claims
local batch = redis.call('HGET', prefix .. 'batch', 'due')
local first = redis.call('ZRANGE', prefix .. 'dirty', 0, 0, 'WITHSCORES')[2]
if first == nil or first == 'inf' then first = false end
if batch and (not first or tonumber(batch) < tonumber(first)) then first = batch end
local stats = redis.call('HMGET', prefix .. 'stats', 'writes', 'rows', 'batches')
return {
  redis.call('ZCARD', prefix .. 'dirty') + claimedOnly(),
  redis.call('HLEN', prefix .. 'parked'),
  batch and 1 or 0,
  first,
  unpack(stats, 1, 3),
}
