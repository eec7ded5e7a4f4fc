-- Included by write.lua, with its variables: what an operation does to a change that is a hash, and to a view. Makes the functions `compose` and
-- `followPacked`.

-- include bounds
-- include packed
-- include addto

-- So many of the largest writes may wait for a flush of one record.
local MAX_WAITING = 2
-- Where a change is made anew that takes more than one command, before it takes the place of the one that is there.
local draft = prefix .. 'draft'

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

-- Adds the increments of an operation to all that they count on: false if a sum would leave 64 bits.
local function addAll(hash, extras)
  for n = 1, amounts do
    for _, field in ipairs(targets(hash, n, extras)) do
      if not addTo(hash, field, data[sets + n]) then return false end
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
    if not value or value ~= NULL and not addTo(view, name, data[sets + n]) then
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
  if kind == 'delete' and flag ~= '-' then
    call('DEL', view)
    call('HSET', view, '~', '0')
    return 'm'
  end
  if flag == 'v' then return changeView(view) end
  if flag == '-' or kind == 'update' then return flag end
  call('DEL', view)
  return condition and insertView(view) or '-'
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

-- Whether one command does an operation to a hash that is there.
local function isOneCommand(state, extras)
  if bounds > 0 then return false end
  if amounts > 0 then return sets == 0 and amounts == 1 and extras == 'x' end
  return sets == 0 or extras == '-' or extras == 's'
end

-- The draft, as the change is that is there.
local function copyChange(pend, packed)
  if not packed then
    call('COPY', pend, draft, 'REPLACE')
    return
  end
  call('DEL', draft)
  call('HSET', draft, unpack(flatten(packed)))
end

-- The draft takes the place of the change.
local function replace(pend, key, packed)
  if not packed then
    call('RENAME', draft, pend)
    return
  end
  -- For a moment there are two: settle.lua knows which one holds.
  call('SET', prefix .. 'intent', 'open:' .. key)
  call('RENAME', draft, pend)
  call('HDEL', packedKey, key)
  call('DEL', prefix .. 'intent')
end

-- The hash that an operation is done to, and whether it has no fields of before.
local function begin(pend, meta, state, extras, packed, inserts)
  if not meta then return pend, true end
  if inserts and state == 'd' then return pend, false end
  -- Of a row that is deleted, or that is missing, nothing is kept.
  if kind == 'delete' or inserts and kind == 'create' then
    call('DEL', draft)
    return draft, true
  end
  if not packed and not inserts and isOneCommand(state, extras) then return pend, false end
  copyChange(pend, packed)
  return draft, false
end

-- A pending change that begins here takes all that the operation carries as it is; an older one is added to.
local function change(pend, key, meta, since, packed)
  local view = viewPrefix .. named(key)
  local state, flag, extras = 'u', nil, '-'
  if meta then state, flag, extras = sub(meta, 1, 1), sub(meta, 2, 2), sub(meta, 3, 3)
  else flag = keepView(view) end
  if kind == 'update' and state == 'd' then return end
  local inserts = kind ~= 'update' and kind ~= 'delete' and (state == 'u' or state == 'd')
  local begins, newState, newExtras = inserts or not meta or kind == 'delete', state, extras
  if kind == 'delete' then newState, newExtras = 'd', '-'
  elseif inserts then newState, newExtras = state == 'd' and 'r' or kind == 'create' and 'c' or 'i', '-' end
  local hash, isNew = begin(pend, meta, state, extras, packed, inserts)
  if inserts and state == 'u' and not isNew then setAside(hash) end
  if not begins then
    if not addAll(hash, extras) then
      call('DEL', draft)
      return 'overflow'
    end
    eachBound(function(name, lower, upper) bound(hash, '', name, lower, upper) end)
    if sets > 0 and extras ~= '-' and extras ~= 's' then dropStale(hash, extras) end
  end
  local newMeta = newState .. follow(view, flag) .. extend(newExtras) .. since
  local count = begins and size or sets
  if isNew or newMeta ~= meta then call('HSET', hash, '~', newMeta, carry(count))
  elseif count > 0 then call('HSET', hash, carry(count)) end
  if hash == draft then replace(pend, key, packed) end
end

-- Whether a change has too many bytes with an operation that carries so many: what the operation sets anew does not count.
local function isTooLarge(pend, bytes)
  if bytes <= MAX_PACKED then return false end
  local replaced = {}
  for n = 1, size do replaced[fields[2 * n - 1]] = true end
  for _, name in ipairs(call('HKEYS', pend)) do
    if not replaced[name] then bytes = bytes + call('HSTRLEN', pend, name) end
  end
  return bytes > MAX_WAITING * largest
end

-- Counts a clean record, and puts it into the index if its change is to be a hash, which is there at once. Returns why it is refused.
local function enterClean(index, key, isPacked)
  if not enter then
-- include enter
  end
  local refusal = enter(index)
  if refusal or isPacked then return refusal end
  if first == nil then first = call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')[2] or false end
  call('ZADD', dirtyKey, soonest, key)
end

-- Returns why the operation is refused, or nil; then when the record is due, if the index has it later, and its change, if it is a packed one.
local function write(index, key, packed, values, bytes)
  local pend = pendPrefix .. named(key)
  if packed == nil then packed = packedChange(key) end
  local meta
  if packed then meta = sub(packed, 27, 29) .. sub(packed, 14, 26) else meta = call('HGET', pend, '~') end
  if not meta then
    local refusal = enterClean(index, key, values)
    if refusal then return refusal end
    if values then
      local view = viewPrefix .. named(key)
      return nil, soonest, soonest .. nowText .. sub(head, 1, 1) .. follow(view, keepView(view)) .. sub(head, 3) .. values
    end
    return change(pend, key, nil, nowText)
  end
  if packed and not flatten(packed) then return 'unreadable' end
  if not packed and kind ~= 'delete' and isTooLarge(pend, bytes) then return 'size' end
  local since = firstWrite(meta)
  local refusal = change(pend, key, meta, since, packed)
  if refusal then return refusal end
  return nil, since < late and since + maxWait or latest
end

-- include condition

compose = function(index, key, values, packed, mayBePacked)
  read(values)
  if condition then return writeIf(index, key, #values) end
  return write(index, key, packed, mayBePacked and values, #values)
end

-- A packed change that an operation was added to, after the view has followed it too.
followPacked = function(key, values, packed)
  read(values)
  return sub(packed, 1, 27) .. changeView(viewPrefix .. named(key)) .. sub(packed, 29)
end
