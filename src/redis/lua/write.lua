#!lua
--[[
  Takes writes of one shard: each record's operation is applied to its pending change, and to its view when there is one, and the
  record is put into the dirty index. A call carries the writer's sequence; one seen before changes nothing and answers as before.
  It runs for every write: it makes no call and no table that a record does not need.

  KEYS[1]  prefix of the shard's keys
  ARGV     writer, sequence, writes, debounce ms, maxWait ms, most dirty records, '1' to name the records that were clean,
           traceparents of spans of the writes, each ended by a space,
           number of fields of a row and their names (none if no shape has a condition),
           number of shapes, per shape: kind, condition ('' · 'there' · 'missing' · 'known'), number of sets, of increments, of bases, of
           bounds, '1' if a counter is set, their names, those of bounds behind their mark, and with a condition the largest value of each
           field incremented;
           then runs of records of one shape: number of the shape, of records, per record: key, values of sets, increments, bases, bounds,
           and of an upsert with a condition the fields of the row to insert
  Returns  { 1 if the shard had no due record, { positions of records that were clean }, { position, refusal, … },
             { position, row, … of operations with a condition: after them, of a delete before it } }, or only the first if the others are
           empty; positions count from 1; refusals: 'backlog', 'overflow', and where a condition does not hold 'there', 'missing', 'unknown'

  Fields of a pending change: '~' state, view flag, extras, time of the first write ('iv-1700000000000') · '=name' value set ·
  '+name' increment · '^name' what it is at least after that · '_name' at most · '?name' that of the two '_' came first · '!name' base of
  the inserted row · '<=name', '<+name', '<^name', … what applies before, and only to a row that is there.
  States: u update of a row that is there · i insert or change · c create: insert, or be refused · d deleted · r replaced (deleted, then
  inserted).
  View flags: v there · m there, saying that the row is missing · - not there. Extras: s values of counters set · x increments or bases ·
  b both · a both and bounds · - neither.
]]
local call, pcall, sub, ARGV = redis.call, redis.pcall, string.sub, ARGV
local prefix = KEYS[1]
local writer, sequence, writes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local debounce, maxWait, mostDirty = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local nameClean, traces = ARGV[7] == '1', ARGV[8]
local NULL = '\0'
local SEQUENCE_TTL = 3600000
-- Bytes of traceparents that a shard keeps until its next claim.
local MOST_TRACES = 32 * 56
-- What the extras become when a counter is set, and when an increment or a base is added; in which of them either is to be looked for.
local WITH_COUNTER, WITH_ADDED = { ['-'] = 's', s = 's', x = 'b', b = 'b', a = 'a' }, { ['-'] = 'x', s = 'b', x = 'x', b = 'b', a = 'a' }
local HAS_COUNTER, HAS_ADDED = { s = true, b = true, a = true }, { x = true, b = true, a = true }

-- include bounds

local writerKey, dirtyKey, pendPrefix, viewPrefix = prefix .. 'writer:' .. writer, prefix .. 'dirty', prefix .. 'pend:', prefix .. 'view:'
local before = call('GET', writerKey)
if before then
  local seen = cmsgpack.unpack(before)
  if sequence <= seen[1] then return seen[2] end
end

local position = 9
local rowNames

local function takeNames(count)
  local names = {}
  for n = 1, count do names[n] = ARGV[position + n - 1] end
  position = position + count
  return names
end

-- `fields` are the arguments of HSET for all that an operation carries, each second one to be filled in; `stale` is what a set makes void.
local function takeShape()
  local kind, condition, setsCounter = ARGV[position], ARGV[position + 1], ARGV[position + 6] == '1'
  local shape = { kind = kind, creates = kind == 'create', upserts = kind == 'upsert' or kind == 'create', setsCounter = setsCounter }
  local sets, amounts, bases = tonumber(ARGV[position + 2]), tonumber(ARGV[position + 3]), tonumber(ARGV[position + 4])
  local bounds = tonumber(ARGV[position + 5])
  position = position + 7
  shape.names, shape.counters = takeNames(sets), takeNames(amounts)
  shape.sets, shape.amounts, shape.size, shape.adds = sets, amounts, sets + amounts + bases + bounds, amounts + bases > 0
  shape.stride = shape.size + 1
  local fields, stale, added = {}, {}, {}
  for n, name in ipairs(shape.names) do
    fields[2 * n - 1], stale[2 * n - 1], stale[2 * n] = '=' .. name, '+' .. name, '!' .. name
  end
  for n, name in ipairs(shape.counters) do
    added[n] = '+' .. name
    fields[2 * (sets + n) - 1] = added[n]
  end
  for n, name in ipairs(takeNames(bases)) do fields[2 * (sets + amounts + n) - 1] = '!' .. name end
  shape.bounds, shape.bounded, shape.beforeBounds = takeNames(bounds), bounds > 0, sets + amounts + bases
  for n, name in ipairs(shape.bounds) do fields[2 * (shape.beforeBounds + n) - 1] = name end
  shape.fields, shape.stale, shape.added = fields, stale, added
  if condition ~= '' then
    shape.condition, shape.limits = condition, takeNames(amounts)
    -- A create sets every field of the row: it carries none beside.
    shape.row = kind == 'upsert' and shape.size or 0
    if kind == 'upsert' then shape.stride = shape.stride + #rowNames end
  end
  return shape
end

local function takeCounted()
  position = position + 1
  return takeNames(tonumber(ARGV[position - 1]))
end

rowNames = takeCounted()
local shapes = {}
local shapeCount = tonumber(ARGV[position])
position = position + 1
for s = 1, shapeCount do shapes[s] = takeShape() end

-- Times are turned into text once: for a number Lua does it anew each time. What was first written before `late` is due before the others.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local nowText, dueText, late = string.format('%.0f', now), string.format('%.0f', now + debounce), now + debounce - maxWait
local dirty = call('ZCARD', dirtyKey)
local wasClean = dirty == 0 and 1 or 0
-- Whoever flushes a batch in flight then sees to what is due; parked records are not due.
if call('EXISTS', prefix .. 'batch', prefix .. 'parked') > 0 then
  if call('EXISTS', prefix .. 'batch') == 1 then
    wasClean = 0
  elseif dirty > 0 and call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')[2] == 'inf' then
    wasClean = 1
  end
end
-- In a run of records that have neither a pending change nor a view: those that the run itself has changed. Else nil.
local begun
local epoch
local scores, scored, clean, refused, rows = {}, 0, {}, {}, {}

-- The fields of the pending change that an increment adds to: with the increments the bounds of their sums; a value set and the base of an
-- inserted row may differ, and both count on.
local function targets(pend, shape, n, extras)
  local name = shape.counters[n]
  local set = HAS_COUNTER[extras] and call('HGET', pend, '=' .. name)
  local fields = {}
  if not set then
    fields[1] = shape.added[n]
    for _, mark in ipairs(extras == 'a' and BOUNDS or {}) do
      if call('HEXISTS', pend, mark .. name) == 1 then fields[#fields + 1] = mark .. name end
    end
    return fields
  end
  local base = call('HGET', pend, '!' .. name)
  if set ~= NULL then fields[1] = '=' .. name end
  if base and base ~= NULL then fields[#fields + 1] = '!' .. name end
  return fields
end

-- Takes back what was added to the first fields of a list.
local function subtract(pend, fields, count, amount)
  local negative = sub(amount, 1, 1) == '-' and sub(amount, 2) or '-' .. amount
  for n = 1, count do
    if call('HINCRBY', pend, fields[n], negative) == 0 and sub(fields[n], 1, 1) == '+' then call('HDEL', pend, fields[n]) end
  end
end

-- Adds to all that an increment counts on, or to nothing: false if a sum would leave 64 bits.
local function add(pend, shape, n, amount, extras)
  if not HAS_COUNTER[extras] then return type(pcall('HINCRBY', pend, shape.added[n], amount)) ~= 'table' end
  local fields = targets(pend, shape, n, extras)
  for f = 1, #fields do
    if type(pcall('HINCRBY', pend, fields[f], amount)) == 'table' then
      subtract(pend, fields, f - 1, amount)
      return false
    end
  end
  return true
end

local function addAll(pend, shape, values, extras)
  for n = 1, shape.amounts do
    if not add(pend, shape, n, ARGV[values + n - 1], extras) then
      for done = 1, n - 1 do
        local fields = targets(pend, shape, done, extras)
        subtract(pend, fields, #fields, ARGV[values + done - 1])
      end
      return false
    end
  end
  return true
end

-- Calls for each bound of an operation, with the name of its field.
local function eachBound(shape, values, lay)
  for n, marked in ipairs(shape.bounds) do
    local value, isLower = ARGV[values + shape.beforeBounds + n - 1], sub(marked, 1, 1) == '^'
    lay(sub(marked, 2), isLower and value or nil, not isLower and value or nil)
  end
end

-- What a set makes void of a change that has bounds.
local function dropBounds(pend, shape)
  for _, name in ipairs(shape.names) do call('HDEL', pend, '^' .. name, '_' .. name, '?' .. name) end
end

local function changeView(view, shape, values)
  local fields = {}
  for n, name in ipairs(shape.names) do
    fields[2 * n - 1], fields[2 * n] = name, ARGV[values + n - 1]
  end
  if #fields > 0 then call('HSET', view, unpack(fields)) end
  for n, name in ipairs(shape.counters) do
    if call('HGET', view, name) ~= NULL and type(pcall('HINCRBY', view, name, ARGV[values + shape.sets + n - 1])) == 'table' then
      call('DEL', view)
      return '-'
    end
  end
  if shape.bounded then eachBound(shape, values, function(name, lower, upper) clampField(view, name, lower, upper) end) end
  return 'v'
end

-- Makes the view of a row that is inserted, where it said that the row is missing.
local function insertView(view, first)
  local fields = { '~', '1' }
  for n, name in ipairs(rowNames) do
    fields[2 * n + 1], fields[2 * n + 2] = name, ARGV[first + n - 1]
  end
  call('HSET', view, unpack(fields))
  return 'v'
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

-- The flag of a view; one that is there stays from now on until the record is clean.
local function keepView(view)
  local present = not begun and call('HGET', view, '~')
  if not present then return '-' end
  call('PERSIST', view)
  return present == '1' and 'v' or 'm'
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

-- A pending change that begins here takes all that the operation carries as it is; an older one is added to.
local function change(pend, key, shape, values, meta, state, flag, extras, since)
  local inserts = shape.upserts and (state == 'u' or state == 'd')
  local begins = inserts or not meta
  if inserts and meta and state == 'u' then
    -- Of a row that is missing nothing was changed.
    if shape.creates then call('DEL', pend) else setAside(pend) end
    extras = '-'
  end
  if not begins then
    if shape.amounts > 0 and not addAll(pend, shape, values + shape.sets, extras) then return 'overflow' end
    if shape.bounded then eachBound(shape, values, function(name, lower, upper) bound(pend, '', name, lower, upper) end) end
    if shape.sets > 0 and HAS_ADDED[extras] then call('HDEL', pend, unpack(shape.stale)) end
    if extras == 'a' then dropBounds(pend, shape) end
  end
  local newState, newExtras, newFlag = state, extras, flag or keepView(viewPrefix .. key)
  if inserts then newState = state == 'd' and 'r' or shape.creates and 'c' or 'i' end
  if shape.adds then newExtras = WITH_ADDED[newExtras] end
  if shape.setsCounter then newExtras = WITH_COUNTER[newExtras] end
  if shape.bounded then newExtras = 'a' end
  if newFlag == 'v' then
    newFlag = changeView(viewPrefix .. key, shape, values)
  elseif newFlag == 'm' and shape.upserts then
    call('DEL', viewPrefix .. key)
    newFlag = shape.condition and insertView(viewPrefix .. key, values + shape.row) or '-'
  end
  local fields, count = shape.fields, begins and shape.size or shape.sets
  for n = 1, count do fields[2 * n] = ARGV[values + n - 1] end
  if not meta or newState ~= state or newFlag ~= flag or newExtras ~= extras then
    call('HSET', pend, '~', newState .. newFlag .. newExtras .. since, unpack(fields, 1, 2 * count))
  elseif count > 0 then
    call('HSET', pend, unpack(fields, 1, 2 * count))
  end
end

-- One look at many records that may well be clean, as the first and the last are, costs less than a look at each.
local function lookAhead(shape, start, records)
  begun = nil
  if records < 8 or shape.condition then return end
  local stride = shape.stride
  if call('EXISTS', pendPrefix .. ARGV[start], pendPrefix .. ARGV[start + (records - 1) * stride]) > 0 then return end
  local names = {}
  for n = 1, records do
    local key = ARGV[start + (n - 1) * stride]
    names[2 * n - 1], names[2 * n] = pendPrefix .. key, viewPrefix .. key
  end
  if call('EXISTS', unpack(names)) == 0 then begun = {} end
end

local function write(index, shape, key, values)
  local pend = pendPrefix .. key
  local meta = (not begun or begun[key]) and call('HGET', pend, '~')
  if begun then begun[key] = true end
  local state, flag, extras, since = 'u', nil, '-', nowText
  local due = dueText
  if meta then
    state, flag, extras, since = sub(meta, 1, 1), sub(meta, 2, 2), sub(meta, 3, 3), sub(meta, 4)
    if tonumber(since) < late then due = since + maxWait end
  else
    if dirty >= mostDirty then return 'backlog' end
    dirty = dirty + 1
    if nameClean then clean[#clean + 1] = index end
  end
  if shape.kind == 'delete' then
    delete(pend, viewPrefix .. key, flag or keepView(viewPrefix .. key), since)
  elseif not (shape.kind == 'update' and state == 'd') then
    local refusal = change(pend, key, shape, values, meta, state, flag, extras, since)
    if refusal then return refusal end
  end
  scores[scored + 1], scores[scored + 2] = due, key
  scored = scored + 2
end

-- Whether the row that is there can hold the sums.
local function fits(view, shape, values)
  for n, name in ipairs(shape.counters) do
    local value, limit = call('HGET', view, name), tonumber(shape.limits[n])
    if value ~= NULL then
      local sum = pcall('HINCRBY', view, name, ARGV[values + shape.sets + n - 1])
      if type(sum) == 'table' then return false end
      call('HSET', view, name, value)
      if sum > limit or sum < -limit - 1 then return false end
    end
  end
  return true
end

-- Whether the view says that the row is there ('1') or missing ('0'); a view of an earlier epoch (hold.lua) says nothing.
local function presence(view)
  local said = call('HMGET', view, '~', '@')
  return (said[2] or '') == epoch and said[1]
end

local function rowOf(view)
  return #rowNames == 0 and {} or call('HMGET', view, unpack(rowNames))
end

-- A write that the view has to allow, and that is answered with the row.
local function writeIf(index, shape, key, values)
  local view = viewPrefix .. key
  local present = presence(view)
  if not present then return 'unknown' end
  if shape.condition == 'there' and present == '0' then return 'missing' end
  if shape.condition == 'missing' and present == '1' then return 'there' end
  local row
  if shape.kind == 'delete' then
    row = rowOf(view)
  elseif present == '1' and not fits(view, shape, values) then
    return 'overflow'
  end
  local refusal = write(index, shape, key, values)
  if refusal then return refusal end
  if epoch ~= '' and (shape.kind == 'delete' or present == '0') then call('HSET', view, '@', epoch) end
  rows[#rows + 1] = index
  rows[#rows + 1] = row or rowOf(view)
end

local index, last = 0, #ARGV
while position <= last do
  local shape, records = shapes[tonumber(ARGV[position])], tonumber(ARGV[position + 1])
  position = position + 2
  lookAhead(shape, position, records)
  local take = write
  if shape.condition then
    take, epoch = writeIf, epoch or call('GET', prefix .. 'epoch') or ''
  end
  for _ = 1, records do
    index = index + 1
    local refusal = take(index, shape, ARGV[position], position + 1)
    if refusal then
      refused[#refused + 1] = index
      refused[#refused + 1] = refusal
      if shape.condition then writes = writes - 1 end
    end
    position = position + shape.stride
  end
end

if scored > 0 then call('ZADD', dirtyKey, unpack(scores)) else wasClean = 0 end
if traces ~= '' and scored > 0 and call('STRLEN', prefix .. 'traces') < MOST_TRACES then call('APPEND', prefix .. 'traces', traces) end
call('HINCRBY', prefix .. 'stats', 'writes', writes)
local reply = wasClean
if #clean + #refused + #rows > 0 then reply = { wasClean, clean, refused, rows } end
call('SET', writerKey, cmsgpack.pack({ sequence, reply }), 'PX', SEQUENCE_TTL)
return reply
