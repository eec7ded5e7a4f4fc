#!lua
--[[
  Makes views of rows that were read from the database, with the changes laid over them that the rows do not hold yet. A view that is
  there already stays. Row and ledger are of one snapshot: the ledger says which claims the row holds. A ledger that this Redis does not
  know of moved meanwhile: read again. If nothing happened here since the last try, and no batch is in flight, then Redis has forgotten
  what the ledger knows (it was emptied, or put back in time), and goes on from the ledger.

  KEYS[1]  prefix of the shard's keys
  ARGV     ledger's id ('' for none), what the last try returned ('' for the first), TTL of a view ms, TTL of a missing row ms, number of fields, per field: name, what an inserted row
           holds before its changes; then per record: key, '1' and the fields' values, or '0' (the row is missing)
  Returns  { outcome, what to pass to the next try, per record: { '1', values } · { '0' } · nil }; outcome: 'known' · 'adopted' ·
           'moved' (records without a view are nil: read them again)
]]
local prefix = KEYS[1]
local ledger, lastState, viewTtl, missingTtl, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local NULL = '\0'

local batch = redis.call('HMGET', prefix .. 'batch', 'id', 'keys')
local acked = redis.call('GET', prefix .. 'acked') or ''
local state = acked .. '|' .. (batch[1] or '')
local persisted, outcome = {}, 'moved'
if ledger == acked or (batch[1] and ledger == 'void:' .. batch[1]) then
  outcome = 'known'
elseif batch[1] and ledger == batch[1] then
  outcome = 'known'
  for _, key in ipairs(cmsgpack.unpack(batch[2])) do persisted[key] = true end
elseif not batch[1] and lastState == state then
  outcome = 'adopted'
  redis.call('SET', prefix .. 'acked', ledger)
end

local names, starts, position = { '~' }, {}, 6
for n = 1, count do
  names[n + 1], starts[ARGV[position]] = ARGV[position], ARGV[position + 1]
  position = position + 2
end

-- Adds to a number of the view; false if the sum leaves 64 bits, which the database will refuse.
local function add(view, name, amount)
  local value = redis.call('HGET', view, name)
  return value == NULL or type(redis.pcall('HINCRBY', view, name, amount)) ~= 'table'
end

local function change(view, fields, mark)
  for field, value in pairs(fields) do
    if string.sub(field, 1, #mark) == mark then
      local kind, name = string.sub(field, #mark + 1, #mark + 1), string.sub(field, #mark + 2)
      if kind == '=' then redis.call('HSET', view, name, value) end
      if kind == '+' and not fields[mark .. '=' .. name] and not add(view, name, value) then return false end
    end
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
    end
  end
  return true
end

-- Lays one change over the view; false if the view cannot hold the result.
local function lay(view, name)
  local flat, fields = redis.call('HGETALL', name), {}
  if #flat == 0 then return true end
  for n = 1, #flat, 2 do fields[flat[n]] = flat[n + 1] end
  local state, present = string.sub(fields['~'], 1, 1), redis.call('HGET', view, '~') == '1'
  if state == 'd' or state == 'r' then
    redis.call('HSET', view, '~', '0')
    present = false
  end
  if present then return change(view, fields, '<') and change(view, fields, '') end
  if state == 'i' or state == 'r' then return insert(view, fields) end
  return true
end

local function answer(view)
  local values = redis.call('HMGET', view, unpack(names))
  if values[1] == '0' then return { '0' } end
  return values
end

local function load(key, first)
  local view, pend, claim = prefix .. 'view:' .. key, prefix .. 'pend:' .. key, prefix .. 'claim:' .. key
  if redis.call('HEXISTS', view, '~') == 1 then return answer(view) end
  if outcome == 'moved' then return false end
  redis.call('DEL', view)
  local present, fields = ARGV[first], { '~', ARGV[first] }
  if present == '1' then
    for n = 1, count do
      fields[2 * n + 1], fields[2 * n + 2] = names[n + 1], ARGV[first + n]
    end
  end
  redis.call('HSET', view, unpack(fields))
  local fits = (persisted[key] or lay(view, claim)) and lay(view, pend)
  local result = answer(view)
  local meta = redis.call('HGET', pend, '~')
  if not fits then
    redis.call('DEL', view)
  elseif meta then
    redis.call('HSET', pend, '~', string.sub(meta, 1, 1) .. (result[1] == '1' and 'v' or 'm') .. string.sub(meta, 3))
  elseif redis.call('EXISTS', claim) == 0 then
    redis.call('PEXPIRE', view, result[1] == '1' and viewTtl or missingTtl)
  end
  if result[1] == '0' and fits then
    redis.call('DEL', view)
    redis.call('HSET', view, '~', '0')
    if not meta and redis.call('EXISTS', claim) == 0 then redis.call('PEXPIRE', view, missingTtl) end
  end
  return result
end

local views, record = {}, 0
while position <= #ARGV do
  record = record + 1
  views[record] = load(ARGV[position], position + 1)
  position = position + 2 + (ARGV[position + 1] == '1' and count or 0)
end
return { outcome, state, views }
