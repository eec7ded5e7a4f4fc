#!lua flags=allow-oom
--[[
  Divides the batch in flight, which the database refused and which the ledger has void. Its claims stay frozen: one part is the batch now, the
  other one waits for its turn. Does nothing if another batch is in flight, or if a part would be empty.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  id of the batch
  ARGV[2]  id for the part that goes on
  ARGV[3]  number of records that are to wait; 0: the second half
  ARGV[4…] their positions in the batch, from 0
  then     what is known of each of them, in the same order, or nothing: the claim of their group returns it

  Returns  1 if the batch was divided, else 0
]]
local prefix = KEYS[1]
local id, newId, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
local batchKey = prefix .. 'batch'

-- include settle

local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'rest', 'changes')
if batch[1] ~= id then return 0 end
local keys, changes = cmsgpack.unpack(batch[2]), cmsgpack.unpack(batch[4])

local waits = {}
if count == 0 then
  for n = math.floor(#keys / 2) + 1, #keys do waits[n] = true end
else
  for n = 4, count + 3 do waits[ARGV[n] + 1] = true end
end

local function part(isOfIt)
  local partKeys, partChanges, size = {}, {}, 0
  for n, key in ipairs(keys) do
    if isOfIt(n) then
      size = size + 1
      partKeys[size], partChanges[size] = key, changes[n]
    end
  end
  return cmsgpack.pack(partKeys), cmsgpack.pack(partChanges), size
end

local goingKeys, goingChanges, going = part(function(n) return not waits[n] end)
local waitingKeys, waitingChanges, waiting = part(function(n) return waits[n] end)
if going == 0 or waiting == 0 then return 0 end

-- What is known about the records that wait, in the order of the batch. The positions may come in any order.
local function reasons()
  local given, list = {}, {}
  for n = 1, count do given[ARGV[n + 3] + 1] = ARGV[n + 3 + count] end
  for n = 1, #keys do
    if waits[n] then list[#list + 1] = given[n] end
  end
  return cmsgpack.pack(list)
end

local rest = batch[3] and cmsgpack.unpack(batch[3]) or {}
rest[#rest + 1] = { waitingKeys, waitingChanges, #ARGV > count + 3 and reasons() or nil }
redis.call('SET', prefix .. 'acked', 'void:' .. id)
redis.call('HSET', batchKey, 'id', newId, 'previous', 'void:' .. id, 'tries', '0', 'keys', goingKeys, 'changes', goingChanges, 'reasons', '',
  'rest', cmsgpack.pack(rest))
return 1
