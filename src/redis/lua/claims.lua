-- Included by the scripts that need the claimed change of a record. Needs prefix, that of the shard's keys.

local claims

local function collect(packedKeys, packedChanges)
  local changes = cmsgpack.unpack(packedChanges)
  for n, key in ipairs(cmsgpack.unpack(packedKeys)) do claims[key] = changes[n] end
end

local function readClaims()
  claims = {}
  local batch = redis.call('HMGET', prefix .. 'batch', 'keys', 'changes', 'rest')
  if not batch[1] then return end
  collect(batch[1], batch[2])
  for _, group in ipairs(batch[3] and cmsgpack.unpack(batch[3]) or {}) do collect(group[1], group[2]) end
end

-- The change that the batch in flight, or a waiting group of a split one, holds of the record: a flat list, empty if there is none.
-- The batch is only looked at for a record that is dirty.
local function claimOf(key)
  if not redis.call('ZSCORE', prefix .. 'dirty', key) then return {} end
  if not claims then readClaims() end
  return claims[key] or {}
end
