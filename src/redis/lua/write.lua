#!lua
--[[
  Takes writes of one shard: each record's operation is applied to its pending change, and to its view when there is one, and the
  record is put into the dirty index. A call carries the writer's sequence; one seen before changes nothing and answers as before.

  KEYS[1]  prefix of the shard's keys
  ARGV     writer, sequence, writes, debounce ms, maxWait ms, most dirty records, '1' to name the records that were clean,
           number of shapes, per shape: kind, number of sets, of increments, of bases, their names;
           then per record: number of its shape, key, values of sets, increments, bases
  Returns  { 1 if the shard had no due record, { positions of records that were clean }, { position, refusal, … } }
           positions count from 1; refusals: 'backlog', 'overflow'

  Fields of a pending change: '~' state, view flag, extras flag, time of the first write ('iv-1700000000000') · '=name' value set ·
  '+name' increment · '!name' base of the inserted row · '<=name', '<+name' what applies before, and only to a row that is there.
  States: u update of a row that is there · i insert or change · d deleted · r replaced (deleted, then inserted).
]]
local prefix = KEYS[1]
local writer, sequence, writes = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local debounce, maxWait, mostDirty = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local nameClean = ARGV[7] == '1'
local shapeCount = tonumber(ARGV[8])
local NULL = '\0'
local SEQUENCE_TTL = 3600000

local writerKey, dirtyKey = prefix .. 'writer:' .. writer, prefix .. 'dirty'
local before = redis.call('GET', writerKey)
if before then
  local seen = cmsgpack.unpack(before)
  if sequence <= seen[1] then return seen[2] end
end

local position = 9
local shapes = {}
for s = 1, shapeCount do
  local shape = { kind = ARGV[position], sets = {}, increments = {}, bases = {}, names = {}, lookup = { '~' }, stale = {} }
  local counts = { tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2]), tonumber(ARGV[position + 3]) }
  position = position + 4
  for n = 1, counts[1] do
    local name = ARGV[position]
    shape.sets[n], shape.names[n] = '=' .. name, name
    shape.stale[#shape.stale + 1] = '+' .. name
    shape.stale[#shape.stale + 1] = '!' .. name
    position = position + 1
  end
  for n = 1, counts[2] do
    local name = ARGV[position]
    shape.increments[n], shape.lookup[n + 1] = name, '=' .. name
    position = position + 1
  end
  for n = 1, counts[3] do
    shape.bases[n] = '!' .. ARGV[position]
    position = position + 1
  end
  shapes[s] = shape
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dirty = redis.call('ZCARD', dirtyKey)
local first = redis.call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')
local wasClean = (first[2] == nil or first[2] == 'inf') and 1 or 0
local scores, clean, refused = {}, {}, {}

-- The fields of the pending change that an increment adds to. A value set and the base of an inserted row may differ, and both count on.
local function targets(pend, name, set)
  if not set then return { '+' .. name } end
  local fields, base = {}, redis.call('HGET', pend, '!' .. name)
  if set ~= NULL then fields[1] = '=' .. name end
  if base and base ~= NULL then fields[#fields + 1] = '!' .. name end
  return fields
end

-- Adds the increments, or none of them: false if one would leave 64 bits.
local function addIncrements(pend, shape, values, found)
  local done = {}
  for n, name in ipairs(shape.increments) do
    local amount = ARGV[values + n - 1]
    for _, field in ipairs(targets(pend, name, found[n + 1])) do
      local result = redis.pcall('HINCRBY', pend, field, amount)
      if type(result) == 'table' then
        for _, undo in ipairs(done) do
          if redis.call('HINCRBY', pend, undo[1], undo[2]) == 0 and string.sub(undo[1], 1, 1) == '+' then redis.call('HDEL', pend, undo[1]) end
        end
        return false
      end
      done[#done + 1] = { field, string.sub(amount, 1, 1) == '-' and string.sub(amount, 2) or '-' .. amount }
    end
  end
  return true
end

local function changeView(view, shape, values)
  local fields = {}
  for n, name in ipairs(shape.names) do
    fields[2 * n - 1], fields[2 * n] = name, ARGV[values + n - 1]
  end
  if #fields > 0 then redis.call('HSET', view, unpack(fields)) end
  for n, name in ipairs(shape.increments) do
    if redis.call('HGET', view, name) ~= NULL then
      local result = redis.pcall('HINCRBY', view, name, ARGV[values + #shape.sets + n - 1])
      if type(result) == 'table' then
        redis.call('DEL', view)
        return '-'
      end
    end
  end
  return 'v'
end

-- What was changed so far applies only to a row that is there; from here on to an inserted one too.
local function setAside(pend)
  local content = redis.call('HGETALL', pend)
  local aside, stale = {}, {}
  for n = 1, #content, 2 do
    if content[n] ~= '~' then
      stale[#stale + 1] = content[n]
      aside[#aside + 1] = '<' .. content[n]
      aside[#aside + 1] = content[n + 1]
    end
  end
  if #stale > 0 then
    redis.call('HSET', pend, unpack(aside))
    redis.call('HDEL', pend, unpack(stale))
  end
end

-- The flag of a view that is there, which from now on stays until the record is clean.
local function keepView(view)
  local present = redis.call('HGET', view, '~')
  if not present then return '-' end
  redis.call('PERSIST', view)
  return present == '1' and 'v' or 'm'
end

local function write(index, shape, key, values)
  local pend, view = prefix .. 'pend:' .. key, prefix .. 'view:' .. key
  local found = redis.call('HMGET', pend, unpack(shape.lookup))
  local meta = found[1]
  local state, flag, extras, since
  if meta then
    state, flag, extras, since = string.sub(meta, 1, 1), string.sub(meta, 2, 2), string.sub(meta, 3, 3), tonumber(string.sub(meta, 4))
  else
    if not redis.call('ZSCORE', dirtyKey, key) then
      if dirty >= mostDirty then return 'backlog' end
      dirty = dirty + 1
      if nameClean then clean[#clean + 1] = index end
    end
    state, flag, extras, since = 'u', nil, '-', now
  end

  local kind = shape.kind
  if kind == 'delete' then
    flag = flag or keepView(view)
    redis.call('DEL', pend)
    if flag ~= '-' then
      redis.call('DEL', view)
      redis.call('HSET', view, '~', '0')
      flag = 'm'
    end
    state, extras = 'd', '-'
    redis.call('HSET', pend, '~', state .. flag .. extras .. since)
  elseif not (kind == 'update' and state == 'd') then
    local inserts = kind == 'upsert' and (state == 'u' or state == 'd')
    if inserts and state == 'u' and meta then
      setAside(pend)
      for n = 1, #shape.increments do found[n + 1] = false end
    end
    if not addIncrements(pend, shape, values + #shape.sets, found) then
      return 'overflow'
    end
    if #shape.sets > 0 and extras == 'x' then redis.call('HDEL', pend, unpack(shape.stale)) end
    local fields = {}
    for n, name in ipairs(shape.sets) do
      fields[#fields + 1], fields[#fields + 2] = name, ARGV[values + n - 1]
    end
    if inserts then
      local bases = values + #shape.sets + #shape.increments
      for n, name in ipairs(shape.bases) do
        fields[#fields + 1], fields[#fields + 2] = name, ARGV[bases + n - 1]
      end
      if #shape.bases > 0 then extras = 'x' end
      state = state == 'd' and 'r' or 'i'
    end
    if #shape.increments > 0 then extras = 'x' end
    flag = flag or keepView(view)
    if flag == 'v' then
      flag = changeView(view, shape, values)
    elseif flag == 'm' and kind == 'upsert' then
      redis.call('DEL', view)
      flag = '-'
    end
    local newMeta = state .. flag .. extras .. since
    if newMeta ~= meta then fields[#fields + 1], fields[#fields + 2] = '~', newMeta end
    if #fields > 0 then redis.call('HSET', pend, unpack(fields)) end
  end
  scores[#scores + 1] = math.min(since + maxWait, now + debounce)
  scores[#scores + 1] = key
end

local index = 0
while position <= #ARGV do
  local shape = shapes[tonumber(ARGV[position])]
  index = index + 1
  local refusal = write(index, shape, ARGV[position + 1], position + 2)
  if refusal then
    refused[#refused + 1] = index
    refused[#refused + 1] = refusal
  end
  position = position + 2 + #shape.sets + #shape.increments + #shape.bases
end

if #scores > 0 then redis.call('ZADD', dirtyKey, unpack(scores)) end
redis.call('HINCRBY', prefix .. 'stats', 'writes', writes)
if #scores == 0 then wasClean = 0 end
local reply = { wasClean, clean, refused }
redis.call('SET', writerKey, cmsgpack.pack({ sequence, reply }), 'PX', SEQUENCE_TTL)
return reply
