-- Packs a change that is a hash, so that a batch has one form. Needs `prefix` and `now`, and the includes named, packed and in-parts.

local function pack(flat)
  local meta, names, values = nil, {}, {}
  for n = 1, #flat, 2 do
    if flat[n] == '~' then meta = flat[n + 1]
    else names[#names + 1], values[#values + 1] = flat[n], flat[n + 1] end
  end
  -- Nobody can read a change without a state. Then only its fields are kept.
  meta = meta or '?--' .. string.format('%.0f', now)
  -- The first time is the due time. Nobody reads it in a claimed change.
  local time = string.sub(meta, META_SINCE)
  local packed = { time, time, string.sub(meta, META_STATE, META_EXTRAS), cmsgpack.pack(names) }
  inParts(values, function(_, ...) packed[#packed + 1] = cmsgpack.pack(...) end)
  return table.concat(packed)
end

-- Returns false if the record has no hash.
local function packHash(key)
  local pend = prefix .. 'pend/' .. named(key)
  local flat = whole(redis.pcall('HGETALL', pend))
  -- A key of another type is kept in the form that RESTORE reads.
  if not flat then return redis.call('DUMP', pend) end
  return #flat > 0 and pack(flat)
end
