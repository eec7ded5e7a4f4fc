-- Composes a claimed change with the newer pending one. The claimed change is in the hash 'draft', and the newer one is applied to it. Needs
-- `prefix`, and the includes bounds, packed and add-to.
local claim = prefix .. 'draft'

local function toFields(flat)
  local fields = {}
  for n = 1, #flat, 2 do fields[flat[n]] = flat[n + 1] end
  return fields
end

-- A sum outside 64 bits cannot be stored as a number. So both terms stay in the text, and the database refuses this text.
local function add(field, amount)
  if not addTo(claim, field, amount) then redis.call('HSET', claim, field, redis.call('HGET', claim, field) .. '+' .. amount) end
end

local KINDS = { ['='] = true, ['+'] = true, ['^'] = true, ['_'] = true }

local function addAmount(target, name, amount)
  local set = redis.call('HGET', claim, target .. '=' .. name)
  if not set then
    add(target .. '+' .. name, amount)
    for _, mark in ipairs(BOUNDS) do
      if redis.call('HEXISTS', claim, target .. mark .. name) == 1 then add(target .. mark .. name, amount) end
    end
    return
  end
  if set ~= NULL then add(target .. '=' .. name, amount) end
  local base = redis.call('HGET', claim, target .. '!' .. name)
  if base and base ~= NULL then add(target .. '!' .. name, amount) end
end

-- Reads what `later` does to a field under `mark`, and does the same to the draft's fields under `target`.
local function applyTo(name, later, mark, target)
  local function what(kind) return later[mark .. kind .. name] end
  local function to(kind) return target .. kind .. name end
  if what('=') then
    redis.call('HSET', claim, to('='), what('='))
    redis.call('HDEL', claim, to('+'), to('!'), to('^'), to('_'), to('?'))
    return
  end
  if what('+') then addAmount(target, name, what('+')) end
  if what('^') or what('_') then bound(claim, target, name, what('^'), what('_'), what('?')) end
end

local function apply(later, mark, target)
  local names = {}
  for field in pairs(later) do
    local kind = string.sub(field, #mark + 1, #mark + 1)
    if string.sub(field, 1, #mark) == mark and KINDS[kind] then names[string.sub(field, #mark + 2)] = true end
  end
  for name in pairs(names) do applyTo(name, later, mark, target) end
end

local function copy(later)
  for field, value in pairs(later) do
    if field ~= '~' and string.sub(field, 1, 1) ~= '<' then redis.call('HSET', claim, field, value) end
  end
end

local function setAside(earlier)
  for field, value in pairs(earlier) do
    if field ~= '~' then
      redis.call('HDEL', claim, field)
      redis.call('HSET', claim, '<' .. field, value)
    end
  end
end

local function stateOf(fields) return string.sub(fields['~'], META_STATE, META_STATE) end

-- Leaves the composed change in the draft, and returns its state.
local function compose(earlier, later)
  local state, laterState = stateOf(earlier), stateOf(later)
  if state == 'd' then
    if laterState == 'u' then return 'd' end
    copy(later)
    return 'r'
  end
  if state == 'u' and laterState == 'c' then
    redis.call('DEL', claim)
    copy(later)
    return 'c'
  end
  if state == 'u' and laterState == 'i' then
    setAside(earlier)
    apply(later, '<', '<')
    copy(later)
    return 'i'
  end
  apply(later, '<', '')
  apply(later, '', '')
  return state
end

-- Composes the claimed change in the draft with the newer pending one. Returns the state; nil if the newer one cannot be read.
local function putUnder(key, earlier)
  local newer = pendingChange(key)
  if not newer then return nil end
  if #newer == 0 then return stateOf(earlier) end
  local later = toFields(newer)
  local laterState = stateOf(later)
  if laterState ~= 'd' and laterState ~= 'r' then return compose(earlier, later) end
  redis.call('DEL', claim)
  if laterState == 'r' then copy(later) end
  return laterState
end
