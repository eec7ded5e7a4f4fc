-- Included by the scripts that read changes. A pending change is packed, and lies with the others in the hash 'packed', or it is a hash of its own,
-- of its fields (write.lua says which they are). What is packed is a text: when the record is due and the time of '~', 13 digits each, the
-- three characters before the latter, the names of the other fields (a list, packed), and their values (packed, one after the other).

-- A change as a flat list of names and values, '~' first.
local function flatten(packed)
  local from, names = cmsgpack.unpack_one(packed, 29)
  local values = from ~= -1 and { cmsgpack.unpack(string.sub(packed, from + 1)) }
  local flat = { '~', string.sub(packed, 27, 29) .. string.sub(packed, 14, 26) }
  for n, name in ipairs(names) do flat[2 * n + 1], flat[2 * n + 2] = name, values[n] end
  return flat
end

-- Needs prefix, that of the shard's keys.
local function packedChange(key) return redis.call('HGET', prefix .. 'packed', key) end

-- The pending change of a record as a flat list, empty if there is none.
local function pendingChange(key)
  local packed = packedChange(key)
  return packed and flatten(packed) or redis.call('HGETALL', prefix .. 'pend/' .. named(key))
end

-- Writes the flag of the record's view into its pending change. False if there is none.
local function flagView(key, flag)
  local packed = packedChange(key)
  if packed then
    redis.call('HSET', prefix .. 'packed', key, string.sub(packed, 1, 27) .. flag .. string.sub(packed, 29))
    return true
  end
  local pend = prefix .. 'pend/' .. named(key)
  local meta = redis.call('HGET', pend, '~')
  if meta then redis.call('HSET', pend, '~', string.sub(meta, 1, 1) .. flag .. string.sub(meta, 3)) end
  return meta
end
