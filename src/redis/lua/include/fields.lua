-- Applies the operation to the fields of a change that is a hash. Needs the include operation.

-- Returns the fields of the change to which the n-th increment is added. The bounds of the increment move by the same amount. If a value is set, the
-- increment is added to this value and to the base of an inserted row.
local function targets(pend, n, extras)
  local name = counter(n)
  local set = extras ~= '-' and extras ~= 'x' and call('HGET', pend, '=' .. name)
  if not set then
    local found = { '+' .. name }
    for _, mark in ipairs(extras == 'a' and BOUNDS or {}) do
      if call('HEXISTS', pend, mark .. name) == 1 then found[#found + 1] = mark .. name end
    end
    return found
  end
  local found, base = {}, call('HGET', pend, '!' .. name)
  if set ~= NULL then found[1] = '=' .. name end
  if base and base ~= NULL then found[#found + 1] = '!' .. name end
  return found
end

-- Adds all increments of the operation. False if a sum would leave 64 bits.
local function addAll(hash, extras)
  for n = 1, amounts do
    for _, field in ipairs(targets(hash, n, extras)) do
      if not addTo(hash, field, data[sets + n]) then return false end
    end
  end
  return true
end

-- Removes the increments, bases and bounds that a set makes void.
local function dropStale(pend, extras)
  local stale = {}
  for n = 1, sets do
    local name = sub(fields[2 * n - 1], 2)
    stale[2 * n - 1], stale[2 * n] = '+' .. name, '!' .. name
    if extras == 'a' then call('HDEL', pend, '^' .. name, '_' .. name, '?' .. name) end
  end
  call('HDEL', pend, unpack(stale))
end

-- Marks all fields with '<'. So the changes up to now apply only to a row that is there. Later changes also apply to a row that is inserted.
local function setAside(pend)
  local content = call('HGETALL', pend)
  local aside, stale = {}, {}
  for n = 1, #content, 2 do
    if content[n] ~= '~' then
      stale[#stale + 1] = content[n]
      aside[#aside + 1] = '<' .. content[n]
      aside[#aside + 1] = content[n + 1]
    end
  end
  if #stale > 0 then
    call('HSET', pend, unpack(aside))
    call('HDEL', pend, unpack(stale))
  end
end
