-- Included by the scripts that read changes. A change is packed, or a hash of its fields (write.lua says which they are). What is packed is
-- a text: the time of '~', which is 13 digits, the three characters before it, the names of the other fields (a list, packed), and their
-- values (packed, one after the other).

-- A change as a flat list of names and values, '~' first.
local function flatten(packed)
  local from, names = cmsgpack.unpack_one(packed, 16)
  local values = from ~= -1 and { cmsgpack.unpack(string.sub(packed, from + 1)) }
  local flat = { '~', string.sub(packed, 14, 16) .. string.sub(packed, 1, 13) }
  for n, name in ipairs(names) do flat[2 * n + 1], flat[2 * n + 2] = name, values[n] end
  return flat
end

-- The pending change of that key, if it is packed: of a hash MGET says nil.
local function packedChange(pend) return redis.call('MGET', pend)[1] end

-- As a flat list, empty if there is none.
local function pendingChange(pend)
  local packed = packedChange(pend)
  return packed and flatten(packed) or redis.call('HGETALL', pend)
end

-- Writes the flag of the record's view into a pending change. False if there is none.
local function flagView(pend, flag)
  local packed = packedChange(pend)
  if packed then
    redis.call('SET', pend, string.sub(packed, 1, 14) .. flag .. string.sub(packed, 16))
    return true
  end
  local meta = redis.call('HGET', pend, '~')
  if meta then redis.call('HSET', pend, '~', string.sub(meta, 1, 1) .. flag .. string.sub(meta, 3)) end
  return meta
end
