-- Included by write.lua, with its variables: what an operation does to a change that is a hash, and to a view. Makes the functions `compose` and
-- `followPacked`.

-- include bounds
-- include packed

local LEAST, MOST = '-9223372036854775808', '9223372036854775807'

-- Of the operation at hand: what it carries, and the arguments of HSET for it, each second one to be filled in.
local data, fields
local fieldsOf = {}

local function read(values)
  data, fields = { cmsgpack.unpack(values) }, fieldsOf[names]
  if fields then return end
  fields = {}
  for n, name in ipairs(cmsgpack.unpack(names)) do fields[2 * n - 1] = name end
  fieldsOf[names] = fields
end

-- The first arguments of HSET, filled in.
local function carry(count)
  for n = 1, count do fields[2 * n] = data[n] end
  return unpack(fields, 1, 2 * count)
end

local function counter(n) return sub(fields[2 * (sets + n) - 1], 2) end

-- The fields of the pending change that an increment adds to: with the increments the bounds of their sums; a value set and the base of an
-- inserted row may differ, and both count on.
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

-- Takes back what was added to the first fields of a list.
local function subtract(pend, list, count, amount)
  local negative = sub(amount, 1, 1) == '-' and sub(amount, 2) or '-' .. amount
  for n = 1, count do
    -- The negative of the least number of 64 bits is none itself.
    local before = amount == LEAST and call('HINCRBY', pend, list[n], '1')
    local left = call('HINCRBY', pend, list[n], before and MOST or negative)
    if left == 0 and sub(list[n], 1, 1) == '+' then call('HDEL', pend, list[n]) end
  end
end

-- Takes back the first increments of an operation.
local function takeBack(pend, count, extras)
  for n = 1, count do
    local list = targets(pend, n, extras)
    subtract(pend, list, #list, data[sets + n])
  end
end

-- Adds to all that an increment counts on, or to nothing: false if a sum would leave 64 bits.
local function add(pend, n, amount, extras)
  local list = targets(pend, n, extras)
  for f = 1, #list do
    if type(pcall('HINCRBY', pend, list[f], amount)) == 'table' then
      subtract(pend, list, f - 1, amount)
      return false
    end
  end
  return true
end

local function addAll(pend, extras)
  for n = 1, amounts do
    if not add(pend, n, data[sets + n], extras) then
      takeBack(pend, n - 1, extras)
      return false
    end
  end
  return true
end

-- Calls for each bound of an operation, with the name of its field.
local function eachBound(lay)
  for n = size - bounds + 1, size do
    local marked, value = fields[2 * n - 1], data[n]
    local isLower = sub(marked, 1, 1) == '^'
    lay(sub(marked, 2), isLower and value or nil, not isLower and value or nil)
  end
end

-- What a set makes void.
local function dropStale(pend, extras)
  local stale = {}
  for n = 1, sets do
    local name = sub(fields[2 * n - 1], 2)
    stale[2 * n - 1], stale[2 * n] = '+' .. name, '!' .. name
    if extras == 'a' then call('HDEL', pend, '^' .. name, '_' .. name, '?' .. name) end
  end
  call('HDEL', pend, unpack(stale))
end

local function changeView(view)
  local changed = {}
  for n = 1, sets do changed[2 * n - 1], changed[2 * n] = sub(fields[2 * n - 1], 2), data[n] end
  if sets > 0 then call('HSET', view, unpack(changed)) end
  for n = 1, amounts do
    local name = counter(n)
    local value = call('HGET', view, name)
    -- The view may be of a time when the model had not got this field yet.
    if not value or value ~= NULL and type(pcall('HINCRBY', view, name, data[sets + n])) == 'table' then
      call('DEL', view)
      return '-'
    end
  end
  eachBound(function(name, lower, upper) clampField(view, name, lower, upper) end)
  return 'v'
end

-- Makes the view of a row that is inserted, where it said that the row is missing.
local function insertView(view)
  -- A create sets every field of the row: it carries none beside.
  local row, before = { '~', '1' }, kind == 'upsert' and size or 0
  for n, name in ipairs(rowNames) do row[2 * n + 1], row[2 * n + 2] = name, data[before + n] end
  call('HSET', view, unpack(row))
  return 'v'
end

-- When the record was first written; not in the future, if the clock was put back since.
local function firstWrite(meta)
  local since = sub(meta, 4)
  return since < nowText and since or nowText
end

-- The flag of a view; one that is there stays from now on until the record is clean.
local function keepView(view)
  local present = call('HGET', view, '~')
  if not present then return '-' end
  call('PERSIST', view)
  return present == '1' and 'v' or 'm'
end

-- Does to a view what is done to the row. Returns its flag.
local function follow(view, flag)
  if flag == 'v' then return changeView(view) end
  if flag == '-' or kind == 'update' then return flag end
  call('DEL', view)
  return condition and insertView(view) or '-'
end

local function delete(pend, view, flag, since)
  call('DEL', pend)
  if flag ~= '-' then
    call('DEL', view)
    call('HSET', view, '~', '0')
    flag = 'm'
  end
  call('HSET', pend, '~', 'd' .. flag .. '-' .. since)
end

-- What was changed so far applies only to a row that is there; from here on to an inserted one too.
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

local function extend(extras)
  if bounds > 0 or extras == 'a' then return 'a' end
  if amounts + bases > 0 and extras ~= 'x' then extras = extras == '-' and 'x' or 'b' end
  if setsCounter and extras ~= 's' then extras = extras == '-' and 's' or 'b' end
  return extras
end

-- A pending change that begins here takes all that the operation carries as it is; an older one is added to.
local function change(pend, key, meta, since)
  local view = viewPrefix .. named(key)
  local state, flag, extras = 'u', nil, '-'
  if meta then state, flag, extras = sub(meta, 1, 1), sub(meta, 2, 2), sub(meta, 3, 3)
  else flag = keepView(view) end
  if kind == 'delete' then return delete(pend, view, flag, since) end
  if kind == 'update' and state == 'd' then return end
  local inserts = kind ~= 'update' and (state == 'u' or state == 'd')
  local begins, newState, newExtras = inserts or not meta, state, extras
  if inserts then newState = state == 'd' and 'r' or kind == 'create' and 'c' or 'i' end
  if inserts and meta and state == 'u' then
    -- Of a row that is missing nothing was changed.
    if kind == 'create' then call('DEL', pend) else setAside(pend) end
    newExtras = '-'
  end
  if not begins then
    if not addAll(pend, extras) then return 'overflow' end
    eachBound(function(name, lower, upper) bound(pend, '', name, lower, upper) end)
    if sets > 0 and extras ~= '-' and extras ~= 's' then dropStale(pend, extras) end
  end
  local newMeta = newState .. follow(view, flag) .. extend(newExtras) .. since
  local count = begins and size or sets
  if newMeta ~= meta then call('HSET', pend, '~', newMeta, carry(count))
  elseif count > 0 then call('HSET', pend, carry(count)) end
end

-- The first field of a pending change that is a hash from now on, if there is one. `packed`: see write.lua.
local function open(pend, key, packed)
  if packed == nil then packed = packedChange(key) end
  if not packed then return call('HGET', pend, '~') end
  local content = flatten(packed)
  call('HDEL', packedKey, key)
  call('HSET', pend, unpack(content))
  return content[2]
end

-- Returns why the operation is refused, or nil; then when the record is due, and its change, if it is a packed one.
local function write(index, key, packed, values)
  local pend = pendPrefix .. named(key)
  local meta = open(pend, key, packed)
  if not meta then
    if not enter then
-- include enter
    end
    local refusal = enter(index)
    if refusal then return refusal end
    if values then
      local view = viewPrefix .. named(key)
      return nil, soonest, soonest .. nowText .. sub(head, 1, 1) .. follow(view, keepView(view)) .. sub(head, 3) .. values
    end
  end
  local since = meta and firstWrite(meta) or nowText
  local refusal = change(pend, key, meta, since)
  if refusal then return refusal end
  return nil, not meta and soonest or since < late and since + maxWait or latest
end

-- include condition

compose = function(index, key, values, packed, mayBePacked)
  read(values)
  if condition then return writeIf(index, key) end
  return write(index, key, packed, mayBePacked and values)
end

-- A packed change that an operation was added to, after the view has followed it too.
followPacked = function(key, values, packed)
  read(values)
  return sub(packed, 1, 27) .. changeView(viewPrefix .. named(key)) .. sub(packed, 29)
end
