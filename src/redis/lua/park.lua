#!lua flags=allow-oom
--[[
  Parks the records of the batch in flight, which the database refused and the ledger has void: their changes go back under the newer
  pending ones, and they are listed. A parked record is claimed again by its own job, by an explicit flush, or when it is written again.
  Does nothing if another batch is in flight.

  KEYS[1]  prefix of the shard's keys
  ARGV     id of the batch, id for the next group, and the reasons: one for all records, or one for each in the order of the batch
  Returns  { key, attempts so far, … } or nil
]]
local prefix = KEYS[1]
local id, nextId = ARGV[1], ARGV[2]
local batchKey, parkedKey = prefix .. 'batch', prefix .. 'parked'

-- include settle
-- include bounds
-- include packed
-- include addto
-- include putback

local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'changes')
if batch[1] ~= id then return false end
-- A claimed change is composed with the pending one in a hash that is there only meanwhile.
local claim = prefix .. 'draft'

local function toFields(flat)
  local fields = {}
  for n = 1, #flat, 2 do fields[flat[n]] = flat[n + 1] end
  return fields
end

-- Sums outside 64 bits cannot be stored: both terms stay in the text, which the database will refuse, and say so.
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

-- Applies what `later` does, under `mark`, to a field, to the claim's fields that bear `target`.
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

-- The claim, then what is pending: leaves the composed change in the claim and returns its state.
local function compose(earlier, later)
  local state, laterState = string.sub(earlier['~'], 1, 1), string.sub(later['~'], 1, 1)
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

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Puts a claimed change, which the claim holds, under the newer pending one. Returns its state.
local function putUnder(key, earlier)
  local newer = pendingChange(key)
  if not newer then return nil end
  if #newer == 0 then return string.sub(earlier['~'], 1, 1) end
  local later = toFields(newer)
  local laterState = string.sub(later['~'], 1, 1)
  if laterState ~= 'd' and laterState ~= 'r' then return compose(earlier, later) end
  redis.call('DEL', claim)
  if laterState == 'r' then copy(later) end
  return laterState
end

-- The claimed change and the newer one as one, a flat list; empty if either cannot be read: then the claimed one is put apart as it is. The time starts anew, so that writes to a parked record are debounced like any others.
local function composed(key, packed)
  local claimed = flatten(packed)
  if not claimed then return {} end
  redis.call('DEL', claim)
  inParts(claimed, function(_, ...) redis.call('HSET', claim, ...) end)
  local state = putUnder(key, toFields(claimed))
  if not state then return {} end
  local view = redis.call('HGET', prefix .. 'view/' .. named(key), '~')
  redis.call('HSET', claim, '~', state .. (view == '1' and 'v' or view == '0' and 'm' or '-') .. 'a' .. now)
  return redis.call('HGETALL', claim)
end

-- How often the record has been refused, with this time, and the entry that says so.
local function entryOf(key, reason)
  local before = redis.call('HGET', parkedKey, key)
  local attempts, since = 0, now
  if before then
    local a, s = string.match(before, '^(%d+) (%d+) ')
    attempts, since = tonumber(a), tonumber(s)
  end
  return attempts + 1, (attempts + 1) .. ' ' .. since .. ' ' .. reason
end

local parked, changes, all, entries = {}, cmsgpack.unpack(batch[3]), {}, {}
for n, key in ipairs(cmsgpack.unpack(batch[2])) do
  all[n] = composed(key, changes[n])
  parked[2 * n - 1] = key
  parked[2 * n], entries[n] = entryOf(key, ARGV[n + 2] or ARGV[3])
end
redis.call('DEL', claim)
redis.call('HSET', batchKey, 'composed', cmsgpack.pack(all), 'entries', cmsgpack.pack(entries), 'next', nextId)
redis.call('SET', prefix .. 'intent', 'park:' .. id)
putBack(id)
redis.call('DEL', prefix .. 'intent')
return parked
