#!lua
--[[
  Makes views from rows that were read from the database, and adds the changes that are not in these rows yet. A view is stored only
  under the lease that was given before the row was read (read.lua). Without the lease the row may be an older one, and is only the
  answer. A view that is there already stays.

  Rows and ledger are of one snapshot, so the ledger says which claimed changes the rows have. If this Redis does not know what the ledger says, the
  ledger has moved meanwhile, and the rows have to be read again. If nothing happened here since the last try, and no batch is in flight, then Redis was
  emptied or put back in time: it goes on from the ledger.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  what the ledger says, '' if it has no row
  ARGV[2]  what the last try returned, '' at the first one
  ARGV[3]  TTL of a view in ms
  ARGV[4]  TTL of a view that says the row is missing
  ARGV[5]  number of fields
  ARGV[6…] for each field its name, and what an inserted row holds before its changes
  then     for each record its key, its lease, and '1' with the values of the fields, or '0' if the row is missing

  Returns  { outcome, what to pass to the next try, { for each record { '1', values } · { '0' } · nil: read it again } }
           outcome: 'known' · 'adopted' (Redis goes on from the ledger) · 'moved' (read again)
]]
local prefix = KEYS[1]
local ledger, lastState, viewTtl, missingTtl, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local epoch = redis.call('GET', prefix .. 'epoch') or ''
-- include settle
-- include claims
-- include bounds
-- include add-to

local batch = redis.call('HMGET', prefix .. 'batch', 'id', 'keys')
local acked = redis.call('GET', prefix .. 'acked') or ''
local state = acked .. '|' .. (batch[1] or '')
local persisted, outcome = {}, 'moved'
if batch[1] and ledger == batch[1] then
  outcome = 'known'
  for _, key in ipairs(cmsgpack.unpack(batch[2])) do persisted[key] = true end
-- If the ledger says 'deletes:', the rows that the batch replaces are deleted already. Its changes can be applied to the remaining rows, as if
-- nothing had been done.
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
-- include lay

local function answer(view)
  local values = redis.call('HMGET', view, unpack(names))
  if values[1] == '0' then return { '0' } end
  return values
end

-- Whether there is a view of this epoch with every field: the model may have got a field after the view was made.
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

-- Makes a view in a hash that nobody reads. Returns the answer, and whether it may be stored as a view.
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

-- Stores the view that was made. It becomes visible last. Before that it gets its epoch, and a TTL if the record is clean, and the pending change or
-- the batch is marked: there is a view.
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
