#!lua
--[[
  Reads views of one shard.

  KEYS[1]  prefix of the shard's keys
  ARGV     number of fields, their names, keys
  Returns  per key: { '1', values } · { '0' } (the row is missing) · nil (no view)
]]
local prefix = KEYS[1]
local count = tonumber(ARGV[1])
local fields = { '~' }
for n = 1, count do fields[n + 1] = ARGV[n + 1] end

local result = {}
for n = count + 2, #ARGV do
  local values = redis.call('HMGET', prefix .. 'view:' .. ARGV[n], unpack(fields))
  if values[1] == '1' then result[#result + 1] = values
  elseif values[1] == '0' then result[#result + 1] = { '0' }
  else result[#result + 1] = false end
end
return result
