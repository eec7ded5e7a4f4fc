-- Tells what the batch in flight has of a record. Needs `prefix`.
-- include named
-- include packed

local claims, keysInFlight

local function readKeys()
  keysInFlight = keysInFlight or redis.call('HMGET', prefix .. 'batch', 'keys', 'rest')
  return keysInFlight[1], keysInFlight[2]
end

local function collect(packedKeys, packedChanges)
  local changes = cmsgpack.unpack(packedChanges)
  for n, key in ipairs(cmsgpack.unpack(packedKeys)) do claims[key] = changes[n] end
end

local function readClaims()
  claims = {}
  local keys, rest = readKeys()
  if not keys then return end
  collect(keys, redis.call('HGET', prefix .. 'batch', 'changes'))
  for _, group in ipairs(rest and cmsgpack.unpack(rest) or {}) do collect(group[1], group[2]) end
end

-- A packed list contains the bytes of each key unchanged. So a key that is not found in the bytes is not claimed.
local function mayBeClaimed(key)
  local keys, rest = readKeys()
  return keys and (string.find(keys, key, 1, true) or rest and string.find(rest, key, 1, true))
end

-- Returns the claimed change of the record, packed. It is in the batch in flight, or in a group of a divided batch that waits. Nil if there is none.
local function packedClaim(key)
  if not mayBeClaimed(key) then return nil end
  if not claims then readClaims() end
  return claims[key]
end

-- Returns the claimed change as a flat list, which is empty if there is none. Nil if the change cannot be read.
local function claimOf(key)
  local claim = packedClaim(key)
  if not claim then return {} end
  return flatten(claim)
end

-- Returns how many dirty records are not in the index: their change is claimed, or is in the hash 'unreadable'.
local function dirtyOtherwise()
  local count = 0
  readClaims()
  for _, key in ipairs(redis.call('HKEYS', prefix .. 'unreadable')) do claims[key] = claims[key] or '' end
  for key in pairs(claims) do
    if not redis.call('ZSCORE', prefix .. 'dirty', key) then count = count + 1 end
  end
  return count
end

local function isDirty(key)
  return redis.call('ZSCORE', prefix .. 'dirty', key) or packedClaim(key) or isApart(key)
end
