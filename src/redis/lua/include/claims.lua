-- Included by the scripts that need to know what the batch in flight holds of a record. Needs prefix, that of the shard's keys.
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

-- What is packed has each key as it is: what is not found in it is not claimed.
local function mayBeClaimed(key)
  local keys, rest = readKeys()
  return keys and (string.find(keys, key, 1, true) or rest and string.find(rest, key, 1, true))
end

-- The change that the batch in flight, or a waiting group of a split one, holds of the record, packed. Nil if there is none.
local function packedClaim(key)
  if not mayBeClaimed(key) then return nil end
  if not claims then readClaims() end
  return claims[key]
end

-- The same as a flat list, empty if there is none. Nil if it cannot be read.
local function claimOf(key)
  local claim = packedClaim(key)
  if not claim then return {} end
  return flatten(claim)
end

-- How many records have a change, but no pending one: it is claimed, or cannot be read and lies apart.
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
