#!lua flags=allow-oom
--[[
  Halves the batch in flight, which the database refused and the ledger has void. The claims stay frozen; the first half is the batch
  now, the second waits for its turn. Does nothing if another batch is in flight, or if it holds one record only.

  KEYS[1]  prefix of the shard's keys
  ARGV     id of the batch, id for the first half
  Returns  1 if it was split
]]
local prefix = KEYS[1]
local id, newId = ARGV[1], ARGV[2]
local batchKey = prefix .. 'batch'

local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'rest', 'changes')
if batch[1] ~= id then return 0 end
local keys, changes = cmsgpack.unpack(batch[2]), cmsgpack.unpack(batch[4])
if #keys == 1 then return 0 end

local function slice(list, first, last)
  local part = {}
  for n = first, last do part[n - first + 1] = list[n] end
  return cmsgpack.pack(part)
end

local function part(first, last) return slice(keys, first, last), slice(changes, first, last) end

local half = math.floor(#keys / 2)
local rest = batch[3] and cmsgpack.unpack(batch[3]) or {}
rest[#rest + 1] = { part(half + 1, #keys) }
local firstKeys, firstChanges = part(1, half)
redis.call('SET', prefix .. 'acked', 'void:' .. id)
redis.call('HSET', batchKey, 'id', newId, 'previous', 'void:' .. id, 'keys', firstKeys, 'changes', firstChanges,
  'rest', cmsgpack.pack(rest))
return 1
