#!lua
--[[
  Takes writes of one shard. It applies each operation to the pending change of its record, and to the record's view if there is one, and puts the record
  into the dirty index. A view is a cached row (the key `view/<key>`). The script runs for every write, so it makes no call, no table and no function that
  the records of the call do not need.

  The states of a record in Redis:
    clean     it has no change: it is in neither `packed` nor `pend/<key>`, nor in the index. Its view, if there is one, expires.
    pending   it has a change, and is in the index with a time at which it may be due. Its view stays.
              The change is packed, or it is a hash; never both, except within the move that `intent` names.
    claimed   its change is in the batch (claim.lua), where no write reaches it. A record that is written meanwhile is pending, too.
    parked    the database refused its change (park.lua): a hash, in the index at 'inf', and listed in `parked`. A write makes it due again.
  docs/format.md has the bytes of all of them.

  Redis takes back nothing of what a script did before one of its commands failed. So the script may stop after any of its commands:
    1. The sequence of a call is stored before the call changes anything, and the reply last. If the same call is sent again, because its reply was
       lost, it changes nothing: it gets the same reply, or the error UNFINISHED if it stopped half-way the first time.
    2. A move that another script has left half-way is ended or given up (settle.lua) before anything else is read.
    3. A record is in the index before it has its change, because a change that is not in the index would never be flushed. A claim drops a member without
       a change. The index never has a later time than the change. If an operation only delays a packed change, the index keeps its earlier time.
    4. A hash that takes more than one command is made in `draft` and takes its place by one RENAME. So each operation is there as a whole, or not at all.
    5. A call that fails half-way is not repeated. The writer reports that its outcome is unknown, and drops the views.

  A change begins packed, and stays packed while operations of its first shape follow. One command reads the packed changes of a whole run of records, and
  one command writes them. Any other operation first turns the change into a hash (compose.lua), because a part of a hash can be changed alone.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  packed one after the other (src/redis/pack.ts):
             debounce, ms
             maxWait, ms
             most dirty records of the shard
             most bytes of one write
             whether to name the records that were clean
             id of the writer
             sequence of the call
             number of writes that the operations stand for
             traceparents of the spans of these writes, each ended by a space
             names of the fields of a row, empty if no shape has a condition
             shapes, each { kind, condition (false · 'there' · 'missing' · 'known'), number of sets, of increments, of bases, of bounds, whether a counter
               is set, whether operations of it add up, packed list of the fields of a change in this order, with a condition the largest value
               of each field that is incremented }
             runs of different records with operations of one shape, each: number of the shape, number of records, and for each of them its key and
               its values in the order of the shape; of an upsert with a condition also the fields of the row to insert

  Returns  1 if the shard had no due record, else 0;
           or { that, { positions of records that were clean }, { position, refusal, … }, { position, row, … } } if any of these lists is not empty.
           Positions count from 1. Refusals: 'backlog', 'overflow', 'size', 'unreadable'; where the condition does not hold 'there', 'missing',
           'unknown'. An operation with a condition is answered with the row after it, a delete with the row before it.
]]
local call, sub, format = redis.call, string.sub, string.format
-- include named
-- include add-up
-- include clean
-- include compose
local prefix = KEYS[1]
local debounce, maxWait, maxDirty, maxBytes, nameClean, writer, sequence, writes, traces, rowNames, shapes, runs = cmsgpack.unpack(ARGV[1])
local SEQUENCE_TTL = '3600000'
-- A call adds its traceparents, at most 32 of 56 bytes, while the shard has less than this many bytes of them. So a shard never has more than 3,528.
local MAX_TRACES = 32 * 56
-- Redis searches a hash of up to 512 fields, and a sorted set of up to 128 members, from the beginning. It turns either into a hash table when a
-- member has more than 64 bytes, and keeps the hash table. So once more than MAX_SEARCHED records are dirty, this script adds a member of LONG_SIZE
-- spaces to both, and removes it again. No key of a record has a space.
local MAX_SEARCHED, LONG_SIZE = 32, 65
-- A record that is written again may be due later than a debounce after this write: at most MAX_SLACK ms later, and at most SLACK_SHARE of a
-- debounce. So most writes to a busy record need not change its due time.
local MAX_SLACK, SLACK_SHARE = 100, 1 / 8

local writerKey, dirtyKey, packedKey = prefix .. 'writer/' .. writer, prefix .. 'dirty', prefix .. 'packed'
local before = call('MGET', writerKey, prefix .. 'intent')
if before[1] then
  local seen, reply = cmsgpack.unpack(before[1])
  if sequence <= seen then return reply or redis.error_reply('UNFINISHED the call stopped half-way') end
end
if before[2] then
-- include settle
end
call('SET', writerKey, cmsgpack.pack(sequence), 'PX', SEQUENCE_TTL)

-- include now
-- Times are compared as texts, because Lua would convert a number each time. All have the same number of digits. A record that is written now is due
-- at `soonest` if it was clean. Otherwise it is due between `soonest` and `latest`, or maxWait after its first write if that was before `late`.
local slack = math.min(MAX_SLACK, math.floor(debounce * SLACK_SHARE))
local nowText, soonest, latest = format('%d', now), format('%d', now + debounce), format('%d', now + debounce + slack)
local late = format('%d', math.max(1e12, now + debounce + slack - maxWait))
-- How many records are dirty (this is read only if the call has a clean record), and how many of them this call has added.
local dirty, entered = nil, 0
-- When the first record of the shard was due before this call: false if none was dirty, nil while nobody has asked.
local first
local clean, refused, rows, isTable = {}, {}, {}, false

-- These functions are made only when they are needed (add-up.lua, compose.lua).
local enter, addUp, compose, followPacked
local position, index = 1, 0
while position <= #runs do
  local shape, records = shapes[runs[position]], runs[position + 1]
  local kind, condition, sets, amounts, bases, bounds, setsCounter, addsUp, names = unpack(shape)
  local size, adds = sets + amounts + bases + bounds, amounts + bases > 0
  -- The part of a packed change of this shape after its times: state, flag, extras and names.
  local head = (kind == 'update' and 'u-' or kind == 'create' and 'c-' or 'i-') .. (adds and (setsCounter and 'b' or 'x') or setsCounter and 's' or '-')
    .. names
  local headEnd, maxValues = SINCE_END + #head, MAX_PACKED - #head
  local keys, changes, areClean, stored, count, scores, scored = {}, nil, nil, {}, 0, {}, 0
  for n = 1, records do keys[n] = runs[position + 2 * n] end
  if not condition and kind ~= 'delete' and bounds == 0 then changes = call('HMGET', packedKey, unpack(keys)) end

  for n = 1, records do
    index = index + 1
    local key, values = keys[n], runs[position + 2 * n + 1]
    -- The record's change if it is packed; false if it is not; nil if that is not known. `due`: the new time in the index, if it needs one.
    local change, after, due, refusal = changes and changes[n], nil, nil, nil
    local mayBePacked, isViewed = changes and #values <= maxValues, false
    if not (change or enter) then
      -- Counts a clean record, or says why it is refused. `unpackedKey`: its key if its change is a hash. Such a change is stored at once, so its
      -- record must be in the index before.
      enter = function(index, unpackedKey)
        dirty = dirty or call('ZCARD', dirtyKey)
        if dirty >= maxDirty then return 'backlog' end
        dirty, entered = dirty + 1, entered + 1
        if nameClean then clean[#clean + 1] = index end
        if unpackedKey then
          if first == nil then first = call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')[2] or false end
          call('ZADD', dirtyKey, soonest, unpackedKey)
        end
      end
    end
    if mayBePacked and change then
      local isOfShape = addsUp and sub(change, STATE, headEnd) == head
      if addsUp and not isOfShape then
        isViewed = sub(change, FLAG, FLAG) == 'v' and sub(change, STATE, STATE) .. '-' .. sub(change, EXTRAS, headEnd) == head
      end
      if isOfShape or isViewed then
        local begin = sub(change, 1, headEnd)
        if begin < soonest or begin > latest then
          local since = sub(begin, SINCE, SINCE_END)
          -- The clock may have been put back.
          if since > nowText then since = nowText end
          local held, new = sub(begin, 1, DUE_END), since < late and format('%d', since + maxWait) or latest
          -- If the new time is later, the index keeps the earlier one. The claim that comes at that time moves the record.
          if new < held then due = new end
          if new ~= held then begin = new .. since .. sub(begin, STATE) end
        end
        if adds then
          addUp = addUp or addition()
          after = addUp(begin, change, values, sets, amounts, size)
        else
          after = begin .. values
        end
      end
    elseif mayBePacked then
      -- Whether all records of the run that have no packed change are clean and have no view.
      if areClean == nil then
        dirty = dirty or call('ZCARD', dirtyKey)
        areClean = haveNothing(prefix, keys, changes, n, call('HLEN', packedKey) == dirty)
      end
      if areClean then
        refusal = enter(index)
        if not refusal then after, due = soonest .. nowText .. head .. values, soonest end
      end
    end

    if not refusal and (isViewed or not after) then
      if not compose then
        compose, followPacked = composition({ prefix = prefix, named = named, rowNames = rowNames, rows = rows, nowText = nowText, soonest = soonest,
          latest = latest, late = late, maxWait = maxWait, maxBytes = maxBytes })
      end
      if after then after = followPacked(key, values, after, shape)
      else refusal, due, after = compose(index, key, change, values, mayBePacked and head, shape, enter) end
    end
    if after then
      stored[count + 1], stored[count + 2] = key, after
      count = count + 2
    end
    if due then
      scores[scored + 1], scores[scored + 2] = due, key
      scored = scored + 2
    end
    if refusal then
      refused[#refused + 1] = index
      refused[#refused + 1] = refusal
      writes = writes - 1
    end
  end
  local long = not isTable and entered > 0 and dirty > MAX_SEARCHED and dirty - entered <= MAX_SEARCHED and string.rep(' ', LONG_SIZE)
  if long then
    isTable = true
    scores[scored + 1], scores[scored + 2] = '0', long
    stored[count + 1], stored[count + 2] = long, ''
    scored, count = scored + 2, count + 2
  end
  if scored > 0 then
    -- If each record had a packed change, the shard had a record in the index before, and nobody has to look.
    if first == nil and (enter or compose) then first = call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')[2] or false end
    call('ZADD', dirtyKey, unpack(scores))
  end
  if count > 0 then call('HSET', packedKey, unpack(stored)) end
  if long then
    call('HDEL', packedKey, long)
    call('ZREM', dirtyKey, long)
  end
  position = position + 2 + 2 * records
end

local wasClean = 0
-- If a batch is in flight, its flusher comes back for records that are due. Parked records are not due.
if (first == false or first == 'inf') and call('EXISTS', prefix .. 'batch') == 0 then wasClean = 1 end
local accepted = index - #refused / 2
if traces ~= '' and accepted > 0 and call('STRLEN', prefix .. 'traces') < MAX_TRACES then call('APPEND', prefix .. 'traces', traces) end
call('HINCRBY', prefix .. 'stats', 'writes', writes)
local reply = wasClean
if #clean + #refused + #rows > 0 then reply = { wasClean, clean, refused, rows } end
call('APPEND', writerKey, cmsgpack.pack(reply))
return reply
