#!lua
--[[
  Takes writes of one shard: each record's operation is applied to its pending change, and to its view when there is one, and the
  record is put into the dirty index. A call carries the writer's sequence; one seen before changes nothing and answers as before.
  It runs for every write: it makes no call, no table and no function that the records of the call do not need.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  packed by cmsgpack, one after the other: writer, sequence, writes, debounce ms, maxWait ms, most dirty records, whether to name
           the records that were clean, traceparents of spans of the writes, each ended by a space,
           { names of the fields of a row } (none if no shape has a condition),
           { per shape: { kind, condition (false · 'there' · 'missing' · 'known'), number of sets, of increments, of bases, of bounds, whether
             a counter is set, { per set, increment, base and bound: its field of a pending change, '' }, { with a condition the largest
             value of each field incremented } } },
           { runs of records of one shape: number of the shape, of records, per record: key, values of sets, increments, bases, bounds,
             and of an upsert with a condition the fields of the row to insert }
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
local call, pcall, sub, format = redis.call, redis.pcall, string.sub, string.format
local prefix = KEYS[1]
local writer, sequence, writes, debounce, maxWait, mostDirty, nameClean, traces, rowNames, shapes, data = cmsgpack.unpack(ARGV[1])
local NULL = '\0'
local SEQUENCE_TTL = '3600000'
-- Bytes of traceparents that a shard keeps until its next claim.
local MOST_TRACES = 32 * 56

local writerKey, dirtyKey, pendPrefix, viewPrefix = prefix .. 'writer:' .. writer, prefix .. 'dirty', prefix .. 'pend:', prefix .. 'view:'
local before = call('GET', writerKey)
if before then
  local seen, reply = cmsgpack.unpack(before)
  if sequence <= seen then return reply end
end

-- Times are turned into text once, and compared as such (they have as many digits): for a number Lua does it anew each time. What was first
-- written before `late` is due before the others.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local nowText, dueText, late = format('%.0f', now), format('%.0f', now + debounce), format('%.0f', math.max(1e12, now + debounce - maxWait))
-- Whoever flushes a batch in flight then sees to what is due; parked records are not due.
local wasClean, isFlushed, batchKey = 0, false, prefix .. 'batch'
if call('EXISTS', batchKey, prefix .. 'parked') > 0 then
  isFlushed = call('EXISTS', batchKey) == 1
  if not isFlushed and call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')[2] == 'inf' then wasClean = 1 end
end
-- Number of dirty records, once a clean one asks for it.
local dirty
-- Of the shape at hand. `fields` are the arguments of HSET for all that an operation carries, each second one to be filled in; `own` is what
-- '~' begins with where such an operation begins the change of a record without a view; `repeats`: one more then only changes the values.
local kind, condition, sets, amounts, bases, bounds, setsCounter, fields, limits
local size, own, repeats
-- In a run of records that have neither a pending change nor a view: those that the run itself has changed. Else nil.
local begun
local scores, scored, clean, refused, rows = {}, 0, {}, {}, {}

-- The first arguments of HSET, filled in.
local function carry(values, count)
  for n = 1, count do fields[2 * n] = data[values + n - 1] end
  return unpack(fields, 1, 2 * count)
end

-- Functions that most calls do not need, made for the first record that does.
local write, composer
local function compose()
  if not composer then
-- include compose
  end
  return composer
end

write = function(index, key, values)
  local pend = pendPrefix .. key
  local meta = (not begun or begun[key]) and call('HGET', pend, '~')
  local due = dueText
  if meta then
    if repeats and sub(meta, 1, 3) == own then
      for n = 1, amounts do
        if type(pcall('HINCRBY', pend, fields[2 * (sets + n) - 1], data[values + sets + n - 1])) == 'table' then
          compose().takeBack(pend, values, n - 1, '-')
          return 'overflow'
        end
      end
      if sets > 0 then call('HSET', pend, carry(values, sets)) end
    else
      local refusal = compose().change(pend, key, values, meta)
      if refusal then return refusal end
    end
    local since = sub(meta, 4)
    if since < late then due = since + maxWait end
  else
    dirty = dirty or call('ZCARD', dirtyKey)
    if dirty == 0 and not isFlushed then wasClean = 1 end
    if dirty >= mostDirty then return 'backlog' end
    dirty = dirty + 1
    if nameClean then clean[#clean + 1] = index end
    local present = not begun and call('HGET', viewPrefix .. key, '~')
    if begun then begun[key] = true end
    if present or kind == 'delete' then compose().change(pend, key, values, nil, present)
    else call('HSET', pend, '~', own .. nowText, carry(values, size)) end
  end
  scores[scored + 1], scores[scored + 2] = due, key
  scored = scored + 2
end

-- One look at many records that may well be clean, as the first and the last are, costs less than a look at each.
local function lookAhead(start, records, stride)
  if call('EXISTS', pendPrefix .. data[start], pendPrefix .. data[start + (records - 1) * stride]) > 0 then return end
  local names = {}
  for n = 1, records do
    local key = data[start + (n - 1) * stride]
    names[2 * n - 1], names[2 * n] = pendPrefix .. key, viewPrefix .. key
  end
  if call('EXISTS', unpack(names)) == 0 then begun = {} end
end

local position, index, last = 1, 0, #data
while position <= last do
  local records = data[position + 1]
  kind, condition, sets, amounts, bases, bounds, setsCounter, fields, limits = unpack(shapes[data[position]])
  size, begun = sets + amounts + bases + bounds, nil
  local adds = amounts + bases > 0
  own = (kind == 'update' and 'u-' or kind == 'create' and 'c-' or 'i-')
    .. (bounds > 0 and 'a' or adds and (setsCounter and 'b' or 'x') or setsCounter and 's' or '-')
  repeats = kind ~= 'delete' and bounds == 0 and not (adds and sets > 0)
  -- A create sets every field of the row: it carries none beside.
  local stride = 1 + size + (condition and kind == 'upsert' and #rowNames or 0)
  position = position + 2
  if records >= 8 and not condition then lookAhead(position, records, stride) end
  local take = condition and compose().writeIf or write
  for _ = 1, records do
    index = index + 1
    local refusal = take(index, data[position], position + 1)
    if refusal then
      refused[#refused + 1] = index
      refused[#refused + 1] = refusal
      if condition then writes = writes - 1 end
    end
    position = position + stride
  end
end

if scored > 0 then call('ZADD', dirtyKey, unpack(scores)) else wasClean = 0 end
if traces ~= '' and scored > 0 and call('STRLEN', prefix .. 'traces') < MOST_TRACES then call('APPEND', prefix .. 'traces', traces) end
call('HINCRBY', prefix .. 'stats', 'writes', writes)
local reply = wasClean
if #clean + #refused + #rows > 0 then reply = { wasClean, clean, refused, rows } end
call('SET', writerKey, cmsgpack.pack(sequence, reply), 'PX', SEQUENCE_TTL)
return reply
