#!lua
--[[
  Makes views of rows that were read from the database, with the changes laid over them that the rows do not hold yet. A view is stored
  only under the lease that was given before the row was read (read.lua): without it the row may be an older one, and is only the answer.
  A view that is there already stays. Row and ledger are of one snapshot: the ledger says which claims the row holds. A ledger that this Redis does not
  know of moved meanwhile: read again. If nothing happened here since the last try, and no batch is in flight, then Redis has forgotten
  what the ledger knows (it was emptied, or put back in time), and goes on from the ledger.

  KEYS[1]  prefix of the shard's keys
  ARGV     ledger's id ('' for none), what the last try returned ('' for the first), TTL of a view ms, TTL of a missing row ms, number of fields, per field: name, what an inserted row
           holds before its changes; then per record: key, lease, '1' and the fields' values, or '0' (the row is missing)
  Returns  { outcome, what to pass to the next try, per record: { '1', values } · { '0' } · nil }; outcome: 'known' · 'adopted' ·
           'moved' (records without a view are nil: read them again)
]]
local prefix = KEYS[1]
local ledger, lastState, viewTtl, missingTtl, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local epoch = redis.call('GET', prefix .. 'epoch') or ''
-- include settle
-- include claims

-- include bounds
-- include addto

local batch = redis.call('HMGET', prefix .. 'batch', 'id', 'keys')
local acked = redis.call('GET', prefix .. 'acked') or ''
local state = acked .. '|' .. (batch[1] or '')
local persisted, outcome = {}, 'moved'
if batch[1] and ledger == batch[1] then
  outcome = 'known'
  for _, key in ipairs(cmsgpack.unpack(batch[2])) do persisted[key] = true end
-- Where only the rows are deleted that the batch in flight replaces, it may be laid over them as if nothing was done.
elseif ledger == acked or (batch[1] and (ledger == 'void:' .. batch[1] or ledger == 'deletes:' .. batch[1])) then
  outcome = 'known'
elseif not batch[1] and lastState == state then
  outcome = 'adopted'
  redis.call('SET', prefix .. 'acked', ledger)
end

local names, starts, position = { '~' }, {}, 6
for n = 1, count do
  names[n + 1], starts[ARGV[position]] = ARGV[position], ARGV[position + 1]
  position = position + 2
end

-- Adds to a number of the view; false if the sum leaves 64 bits, which the database will refuse. A field that this process does not know of is
-- not in the view.
local function add(view, name, amount)
  local value = redis.call('HGET', view, name)
  return not value or value == NULL or addTo(view, name, amount) ~= false
end

-- Lays the bounds of a field, if it has any, over its value in the view.
local function limit(view, fields, mark, name)
  local lower, upper = fields[mark .. '^' .. name], fields[mark .. '_' .. name]
  if lower or upper then clampField(view, name, lower, upper, fields[mark .. '?' .. name]) end
end

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

-- Lays one change over the view; false if the view cannot hold the result.
local function lay(view, flat)
  local fields = {}
  if not flat then return false end
  if #flat == 0 then return true end
  for n = 1, #flat, 2 do fields[flat[n]] = flat[n + 1] end
  local state, present = string.sub(fields['~'], 1, 1), redis.call('HGET', view, '~') == '1'
  if state == 'd' or state == 'r' then
    redis.call('HSET', view, '~', '0')
    present = false
  end
  if present then return change(view, fields, '<') and change(view, fields, '') end
  if state == 'i' or state == 'c' or state == 'r' then return insert(view, fields) end
  return true
end

local function answer(view)
  local values = redis.call('HMGET', view, unpack(names))
  if values[1] == '0' then return { '0' } end
  return values
end

-- A view of an earlier epoch is none, nor is one that lacks a field which the model has got since.
local function isThere(view)
  local said = redis.call('HMGET', view, '@', unpack(names))
  if not said[2] or (said[1] or '') ~= epoch then return false end
  for n = 3, #names + 1 do
    if said[2] == '1' and not said[n] then return false end
  end
  return true
end

local function isLeased(key, lease)
  return string.sub(lease, -#epoch - 1) == '.' .. epoch and redis.call('GET', prefix .. 'lease/' .. named(key)) == lease
end

-- Makes a view where nobody reads it. Returns the answer, and whether it fits a view.
local made = prefix .. 'answer'
local function make(key, first)
  local present, fields = ARGV[first], { '~', ARGV[first] }
  if present == '1' then
    for n = 1, count do
      fields[2 * n + 1], fields[2 * n + 2] = names[n + 1], ARGV[first + n]
    end
  end
  redis.call('DEL', made)
  redis.call('HSET', made, unpack(fields))
  local fits = (persisted[key] or lay(made, claimOf(key))) and lay(made, pendingChange(key)) and not isApart(key)
  return answer(made), fits
end

-- Gives the made view what it needs to stay: its epoch, a TTL unless the record is dirty, and a pending change, or the batch in flight, that knows
-- of it. Then it is seen.
local function keep(key, present)
  if present == '0' then
    redis.call('DEL', made)
    redis.call('HSET', made, '~', '0')
  end
  if epoch ~= '' then redis.call('HSET', made, '@', epoch) end
  if not flagView(key, present == '1' and 'v' or 'm') then
    if not packedClaim(key) then redis.call('PEXPIRE', made, present == '1' and viewTtl or missingTtl)
    else redis.call('HSET', prefix .. 'batch', 'views', 'any') end
  end
  redis.call('RENAME', made, prefix .. 'view/' .. named(key))
end

local function load(key, lease, first)
  local view, stores = prefix .. 'view/' .. named(key), isLeased(key, lease)
  if isThere(view) then return answer(view) end
  if outcome == 'moved' then return false end
  local result, fits = make(key, first)
  if stores and fits then keep(key, result[1]) else redis.call('DEL', made) end
  if stores then redis.call('DEL', prefix .. 'lease/' .. named(key)) end
  return result
end

local views, record = {}, 0
while position <= #ARGV do
  record = record + 1
  views[record] = load(ARGV[position], ARGV[position + 1], position + 2)
  position = position + 3 + (ARGV[position + 2] == '1' and count or 0)
end
return { outcome, state, views }
