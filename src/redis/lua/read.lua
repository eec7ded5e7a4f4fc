#!lua flags=allow-oom
--[[
  Reads views of one shard. Where there is none, the reader gets a lease: it may load the row, and store its view as long as the lease is there
  (load.lua). Readers that miss meanwhile get the same lease. While the record is held (hold.lua) the lease is not kept: the row may be
  changing, so that a load may only answer.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  name of a new lease
  ARGV[2]  TTL of a lease in ms
  ARGV[3]  number of fields
  ARGV[4…] the names of the fields
  then     the keys

  Returns  for each key { '1', values } · { '0' } (the row is missing) · the lease (there is no view)
]]
-- include named
local prefix = KEYS[1]
local leaseTtl, count = ARGV[2], tonumber(ARGV[3])
local fields = { '~' }
for n = 1, count do fields[n + 1] = ARGV[n + 3] end
local epoch = redis.call('GET', prefix .. 'epoch')
if epoch then fields[count + 2] = '@' end
local suffix = '.' .. (epoch or '')
local newLease = ARGV[1] .. suffix

local function lease(key)
  if redis.call('EXISTS', prefix .. 'holds', prefix .. 'hold/' .. named(key)) > 0 then return newLease end
  local name = prefix .. 'lease/' .. named(key)
  local given = redis.call('GET', name)
  if given and string.sub(given, -#suffix) == suffix then return given end
  redis.call('SET', name, newLease, 'PX', leaseTtl)
  return newLease
end

-- Whether the view has every field: the model may have got a field after the view was made.
local function isWhole(values)
  for n = 2, count + 1 do
    if not values[n] then return false end
  end
  return true
end

local result = {}
for n = count + 4, #ARGV do
  local values = redis.call('HMGET', prefix .. 'view/' .. named(ARGV[n]), unpack(fields))
  if epoch and values[count + 2] ~= epoch then values[1] = false end
  values[count + 2] = nil
  if values[1] == '1' and isWhole(values) then result[#result + 1] = values
  elseif values[1] == '0' then result[#result + 1] = { '0' }
  else result[#result + 1] = lease(ARGV[n]) end
end
return result
