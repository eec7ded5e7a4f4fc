-- Included by the scripts that read changes. A pending change is packed, and lies with the others in the hash 'packed', or it is a hash of its own,
-- of its fields (write.lua says which they are). What is packed is a text: when the record is due and the time of '~', 13 digits each, the
-- three characters before the latter, the names of the other fields (a list, packed), and their values (packed, one after the other).

-- Two times, and a state.
local BEGINNING = '^' .. string.rep('%d', 26) .. '[uicdr]..'

local function unpackChange(packed)
  assert(string.find(packed, BEGINNING))
  local from, names = cmsgpack.unpack_one(packed, 29)
  local values = from ~= -1 and { cmsgpack.unpack(string.sub(packed, from + 1)) } or {}
  assert(#values == #names)
  local flat = { '~', string.sub(packed, 27, 29) .. string.sub(packed, 14, 26) }
  for n, name in ipairs(names) do
    assert(type(name) == 'string' and type(values[n]) == 'string')
    flat[2 * n + 1], flat[2 * n + 2] = name, values[n]
  end
  return flat
end

-- A change as a flat list of names and values, '~' first. Nil if it is damaged, or nobody's that packs changes.
local function flatten(packed)
  local isWhole, flat = xpcall(function() return unpackChange(packed) end, tostring)
  return isWhole and flat or nil
end

-- What a command on a hash answers; nil where something else than a hash is stored. Any other error ends the script: it says nothing of the change.
local function whole(reply)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
  return nil
end

-- Needs prefix, that of the shard's keys.
local function packedChange(key) return redis.call('HGET', prefix .. 'packed', key) end

-- The pending change of a record as a flat list, empty if there is none. Nil if it cannot be read.
local function pendingChange(key)
  local packed = packedChange(key)
  if packed then return flatten(packed) end
  local flat = whole(redis.pcall('HGETALL', prefix .. 'pend/' .. named(key)))
  if not flat then return nil end
  for n = 1, #flat, 2 do
    if flat[n] == '~' then return flat end
  end
  return #flat == 0 and flat or nil
end

-- Changes that cannot be read lie apart, as they are, once they are parked: a hash by key.
local function isApart(key) return redis.call('HEXISTS', prefix .. 'unreadable', key) == 1 end

-- Writes the flag of the record's view into its pending change. False if there is none.
local function flagView(key, flag)
  local packed = packedChange(key)
  if packed and not string.find(packed, BEGINNING) then return false end
  if packed then
    redis.call('HSET', prefix .. 'packed', key, string.sub(packed, 1, 27) .. flag .. string.sub(packed, 29))
    return true
  end
  local pend = prefix .. 'pend/' .. named(key)
  local meta = whole(redis.pcall('HGET', pend, '~'))
  if meta == nil then return false end
  if meta then redis.call('HSET', pend, '~', string.sub(meta, 1, 1) .. flag .. string.sub(meta, 3)) end
  return meta
end
