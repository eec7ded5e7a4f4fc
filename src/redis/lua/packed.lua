-- Included by the scripts that read changes. A change is packed, or a hash of its fields (write.lua says which they are). What is packed is
-- a text: the first three characters of '~', the names of the other fields (a list, packed), the rest of '~', which is 13 digits, and the
-- values of the other fields (packed, one after the other).

-- A change as a flat list of names and values, '~' first.
local function flatten(packed)
  local from, names = cmsgpack.unpack_one(packed, 3)
  local values = { cmsgpack.unpack(string.sub(packed, from + 14)) }
  local flat = { '~', string.sub(packed, 1, 3) .. string.sub(packed, from + 1, from + 13) }
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
  local meta = packed or redis.call('HGET', pend, '~')
  if not meta then return false end
  local flagged = string.sub(meta, 1, 1) .. flag .. string.sub(meta, 3)
  if packed then redis.call('SET', pend, flagged) else redis.call('HSET', pend, '~', flagged) end
  return true
end
