-- Reads pending changes in either form: a packed change is an entry of the hash 'packed', any other is a hash of its own (docs/format.md).
-- Needs `prefix`, and the includes format and named.

local BEGINNING = '^' .. string.rep('%d', SINCE_END) .. '[uicdr]..'

-- The field '~' of a packed change.
local function metaOf(packed) return string.sub(packed, STATE, EXTRAS) .. string.sub(packed, SINCE, SINCE_END) end

local function withFlag(packed, flag) return string.sub(packed, 1, STATE) .. flag .. string.sub(packed, EXTRAS) end

local function unpackChange(packed)
  assert(string.find(packed, BEGINNING))
  local from, names = cmsgpack.unpack_one(packed, EXTRAS)
  local values = from ~= -1 and { cmsgpack.unpack(string.sub(packed, from + 1)) } or {}
  assert(#values == #names)
  local flat = { '~', metaOf(packed) }
  for n, name in ipairs(names) do
    assert(type(name) == 'string' and type(values[n]) == 'string')
    flat[2 * n + 1], flat[2 * n + 2] = name, values[n]
  end
  return flat
end

-- Returns a packed change as a flat list of fields and values, with '~' first. Nil if it is damaged, or if no script of the library packed it.
local function flatten(packed)
  local isWhole, flat = xpcall(function() return unpackChange(packed) end, tostring)
  return isWhole and flat or nil
end

-- Returns the answer of a command on a hash; nil if the key has another type. Any other error ends the script, because it says nothing about the
-- change.
local function whole(reply)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
  return nil
end

local function packedChange(key) return redis.call('HGET', prefix .. 'packed', key) end

-- Returns the pending change of a record as a flat list, which is empty if there is none. Nil if the change cannot be read.
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

-- Whether a change of the record is in the hash 'unreadable'. Then the record is parked.
local function isApart(key) return redis.call('HEXISTS', prefix .. 'unreadable', key) == 1 end

-- Writes the flag of the record's view into its pending change. Returns false if there is no pending change.
local function flagView(key, flag)
  local packed = packedChange(key)
  if packed and not string.find(packed, BEGINNING) then return false end
  if packed then
    redis.call('HSET', prefix .. 'packed', key, withFlag(packed, flag))
    return true
  end
  local pend = prefix .. 'pend/' .. named(key)
  local meta = whole(redis.pcall('HGET', pend, '~'))
  if meta == nil then return false end
  if meta then redis.call('HSET', pend, '~', string.sub(meta, META_STATE, META_STATE) .. flag .. string.sub(meta, META_EXTRAS)) end
  return meta
end
