#!lua
--[[
  Takes writes of one shard: each record's operation is applied to its pending change, and to its view when there is one, and the
  record is put into the dirty index. A call carries the writer's sequence; one seen before changes nothing and answers as before.
  It runs for every write: it makes no call and no table that a record does not need.

  KEYS[1]  prefix of the shard's keys
  ARGV     writer, sequence, writes, debounce ms, maxWait ms, most dirty records, '1' to name the records that were clean,
           number of shapes, per shape: kind, number of sets, of increments, of bases, '1' if a counter is set, their names;
           then runs of records of one shape: number of the shape, of records, per record: key, values of sets, increments, bases
  Returns  { 1 if the shard had no due record, { positions of records that were clean }, { position, refusal, … } }
           positions count from 1; refusals: 'backlog', 'overflow'

  Fields of a pending change: '~' state, view flag, extras, time of the first write ('iv-1700000000000') · '=name' value set ·
  '+name' increment · '!name' base of the inserted row · '<=name', '<+name' what applies before, and only to a row that is there.
  States: u update of a row that is there · i insert or change · d deleted · r replaced (deleted, then inserted).
  View flags: v there · m there, saying that the row is missing · - not there. Extras: - values set, but of no counter · x also
  increments or bases · s also values of counters set.
]]
local call, pcall = redis.call, redis.pcall
local sub = string.sub
local prefix = KEYS[1]
local writer, sequence, writes = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local debounce, maxWait, mostDirty = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local nameClean = ARGV[7] == '1'
local shapeCount = tonumber(ARGV[8])
local NULL = '\0'
local SEQUENCE_TTL = 3600000

local writerKey, dirtyKey, pendPrefix, viewPrefix = prefix .. 'writer:' .. writer, prefix .. 'dirty', prefix .. 'pend:', prefix .. 'view:'
local before = call('GET', writerKey)
if before then
  local seen = cmsgpack.unpack(before)
  if sequence <= seen[1] then return seen[2] end
end

local position = 9

local function takeNames(count)
  local names = {}
  for n = 1, count do names[n] = ARGV[position + n - 1] end
  position = position + count
  return names
end

-- `arguments` are those of HSET for the sets, with every second place to be filled; `stale` the fields that a set makes void.
local function takeShape()
  local shape = { kind = ARGV[position], setsCounter = ARGV[position + 4] == '1', arguments = {}, stale = {} }
  local sets, increments, bases = tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2]), tonumber(ARGV[position + 3])
  position = position + 5
  shape.names, shape.increments, shape.bases = takeNames(sets), takeNames(increments), takeNames(bases)
  shape.size = sets + increments + bases
  for n, name in ipairs(shape.names) do
    shape.arguments[2 * n - 1] = '=' .. name
    shape.stale[2 * n - 1], shape.stale[2 * n] = '+' .. name, '!' .. name
  end
  return shape
end

local shapes = {}
for s = 1, shapeCount do shapes[s] = takeShape() end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dirty = call('ZCARD', dirtyKey)
local first = call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')
local wasClean = (first[2] == nil or first[2] == 'inf') and 1 or 0
-- Without a batch in flight, a record without a pending change is clean.
local anyClaimed = call('EXISTS', prefix .. 'batch') == 1
local scores, scored, clean, refused = {}, 0, {}, {}

-- The fields of the pending change that an increment adds to. A value set and the base of an inserted row may differ, and both count on.
local function targets(pend, name, extras)
  local set = extras == 's' and call('HGET', pend, '=' .. name)
  if not set then return { '+' .. name } end
  local fields, base = {}, call('HGET', pend, '!' .. name)
  if set ~= NULL then fields[1] = '=' .. name end
  if base and base ~= NULL then fields[#fields + 1] = '!' .. name end
  return fields
end

local function undo(pend, done)
  for _, each in ipairs(done) do
    if call('HINCRBY', pend, each[1], each[2]) == 0 and sub(each[1], 1, 1) == '+' then call('HDEL', pend, each[1]) end
  end
end

-- Adds the increments, or none of them: false if one would leave 64 bits.
local function addIncrements(pend, shape, values, extras)
  local done = {}
  for n, name in ipairs(shape.increments) do
    local amount = ARGV[values + n - 1]
    for _, field in ipairs(targets(pend, name, extras)) do
      if type(pcall('HINCRBY', pend, field, amount)) == 'table' then
        undo(pend, done)
        return false
      end
      done[#done + 1] = { field, sub(amount, 1, 1) == '-' and sub(amount, 2) or '-' .. amount }
    end
  end
  return true
end

local function changeView(view, shape, values)
  local fields = {}
  for n, name in ipairs(shape.names) do
    fields[2 * n - 1], fields[2 * n] = name, ARGV[values + n - 1]
  end
  if #fields > 0 then call('HSET', view, unpack(fields)) end
  for n, name in ipairs(shape.increments) do
    if call('HGET', view, name) ~= NULL and type(pcall('HINCRBY', view, name, ARGV[values + #shape.names + n - 1])) == 'table' then
      call('DEL', view)
      return '-'
    end
  end
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
  local present = call('HGET', view, '~')
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

-- The HSET arguments of an operation: its sets, and what an inserted row needs. They are the shape's own table where that will do.
local function arguments(shape, values, inserts)
  local fields, sets = shape.arguments, #shape.names
  for n = 1, sets do fields[2 * n] = ARGV[values + n - 1] end
  if not inserts or #shape.bases == 0 then return fields, 2 * sets end
  local all, count, base = { unpack(fields, 1, 2 * sets) }, 2 * sets, values + sets + #shape.increments
  for n, name in ipairs(shape.bases) do
    all[count + 1], all[count + 2] = '!' .. name, ARGV[base + n - 1]
    count = count + 2
  end
  return all, count
end

local function change(pend, key, shape, values, meta, state, flag, extras, since)
  local upserts = shape.kind == 'upsert'
  local inserts = upserts and (state == 'u' or state == 'd')
  if inserts and state == 'u' and meta then
    setAside(pend)
    extras = '-'
  end
  if #shape.increments > 0 and not addIncrements(pend, shape, values + #shape.names, extras) then return 'overflow' end
  if extras ~= '-' and #shape.names > 0 then call('HDEL', pend, unpack(shape.stale)) end
  local fields, count = arguments(shape, values, inserts)
  local newState, newExtras = state, extras
  if inserts then newState = state == 'd' and 'r' or 'i' end
  if extras ~= 's' and (#shape.increments > 0 or (inserts and #shape.bases > 0)) then newExtras = 'x' end
  if shape.setsCounter then newExtras = 's' end
  local newFlag = flag or keepView(viewPrefix .. key)
  if newFlag == 'v' then
    newFlag = changeView(viewPrefix .. key, shape, values)
  elseif newFlag == 'm' and upserts then
    call('DEL', viewPrefix .. key)
    newFlag = '-'
  end
  if not meta or newState ~= state or newFlag ~= flag or newExtras ~= extras then
    call('HSET', pend, '~', newState .. newFlag .. newExtras .. since, unpack(fields, 1, count))
  elseif count > 0 then
    call('HSET', pend, unpack(fields, 1, count))
  end
end

local function write(index, shape, key, values)
  local pend = pendPrefix .. key
  local meta = call('HGET', pend, '~')
  local state, flag, extras, since = 'u', nil, '-', now
  if meta then
    state, flag, extras, since = sub(meta, 1, 1), sub(meta, 2, 2), sub(meta, 3, 3), tonumber(sub(meta, 4))
  elseif not anyClaimed or not call('ZSCORE', dirtyKey, key) then
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
  scores[scored + 1], scores[scored + 2] = math.min(since + maxWait, now + debounce), key
  scored = scored + 2
end

local index, last = 0, #ARGV
while position <= last do
  local shape, records = shapes[tonumber(ARGV[position])], tonumber(ARGV[position + 1])
  position = position + 2
  for _ = 1, records do
    index = index + 1
    local refusal = write(index, shape, ARGV[position], position + 1)
    if refusal then
      refused[#refused + 1] = index
      refused[#refused + 1] = refusal
    end
    position = position + 1 + shape.size
  end
end

if scored > 0 then call('ZADD', dirtyKey, unpack(scores)) else wasClean = 0 end
call('HINCRBY', prefix .. 'stats', 'writes', writes)
local reply = { wasClean, clean, refused }
call('SET', writerKey, cmsgpack.pack({ sequence, reply }), 'PX', SEQUENCE_TTL)
return reply
