-- Applies a change to the hash of a view. Needs `starts`: the value of each field in an inserted row. Needs the includes bounds and add-to.

-- Returns false if the sum leaves 64 bits, because the database will refuse it. A field that this process does not know is not in the view, and
-- nothing is done for it.
local function add(view, name, amount)
  local value = redis.call('HGET', view, name)
  return not value or value == NULL or addTo(view, name, amount) ~= false
end

local function limit(view, fields, mark, name)
  local lower, upper = fields[mark .. '^' .. name], fields[mark .. '_' .. name]
  if lower or upper then clampField(view, name, lower, upper, fields[mark .. '?' .. name]) end
end

-- Changes a row that is there.
local function change(view, fields, mark)
  local bounded = false
  for field, value in pairs(fields) do
    if string.sub(field, 1, #mark) == mark then
      local kind, name = string.sub(field, #mark + 1, #mark + 1), string.sub(field, #mark + 2)
      if kind == '=' then redis.call('HSET', view, name, value) end
      if kind == '+' and not fields[mark .. '=' .. name] and not add(view, name, value) then return false end
      if kind == '^' or kind == '_' then bounded = true end
    end
  end
  if bounded then
    for name in pairs(starts) do limit(view, fields, mark, name) end
  end
  return true
end

local function insert(view, fields)
  redis.call('HSET', view, '~', '1')
  for name, start in pairs(starts) do
    local base, set, amount = fields['!' .. name], fields['=' .. name], fields['+' .. name]
    if set then
      redis.call('HSET', view, name, base or set)
    else
      redis.call('HSET', view, name, base or start)
      if amount and not add(view, name, amount) then return false end
      limit(view, fields, '', name)
    end
  end
  return true
end

-- Returns false if the view cannot show the result, or if the change cannot be read.
local function lay(view, flat)
  local fields = {}
  if not flat then return false end
  if #flat == 0 then return true end
  for n = 1, #flat, 2 do fields[flat[n]] = flat[n + 1] end
  local state, present = string.sub(fields['~'], META_STATE, META_STATE), redis.call('HGET', view, '~') == '1'
  if state == 'd' or state == 'r' then
    redis.call('HSET', view, '~', '0')
    present = false
  end
  if present then return change(view, fields, '<') and change(view, fields, '') end
  if state == 'i' or state == 'c' or state == 'r' then return insert(view, fields) end
  return true
end
