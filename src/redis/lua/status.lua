#!lua flags=no-writes
--[[
  Tells the state of a shard.

  KEYS[1]  prefix of the shard's keys

  Returns  { number of dirty records, of parked ones, 1 if a batch is in flight, else 0, due time in ms of the first dirty record that is not parked or nil,
             writes accepted or nil, rows persisted or nil, batches acknowledged or nil }
]]
local prefix = KEYS[1]
-- include claims
-- include earlier
local inFlight = redis.call('HGET', prefix .. 'batch', 'due')
local first = earlier(redis.call('ZRANGE', prefix .. 'dirty', 0, 0, 'WITHSCORES')[2], inFlight)
local stats = redis.call('HMGET', prefix .. 'stats', 'writes', 'rows', 'batches')
return {
  redis.call('ZCARD', prefix .. 'dirty') + dirtyOtherwise(),
  redis.call('HLEN', prefix .. 'parked'),
  inFlight and 1 or 0,
  first ~= 'inf' and first or false,
  unpack(stats, 1, 3),
}
