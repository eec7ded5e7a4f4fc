#!lua
--[[
  Takes writes of one shard: each record's operation is applied to its pending change, and to its view when there is one, and the
  record is put into the dirty index. A call carries the writer's sequence; one seen before changes nothing and answers as before.
  It runs for every write: it makes no call, no table and no function that the records of the call do not need.

  The index never has a later time than a record's change: where that is packed, an operation that only puts it off leaves the index alone.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  packed by cmsgpack, one after the other: debounce ms, maxWait ms, most dirty records, most bytes of
           one write, whether to name the records that were clean,
           writer, sequence, writes, traceparents of spans of the writes, each ended by a space,
           { names of the fields of a row } (none if no shape has a condition),
           { per shape: { kind, condition (false · 'there' · 'missing' · 'known'), number of sets, of increments, of bases, of bounds, whether
             a counter is set, whether operations of it add up, per set, increment, base and bound its field of a pending change (a list,
             packed), { with a condition the largest value of each field incremented } } },
           { runs of records of one shape, none of them twice: number of the shape, of records, per record: key, values of sets,
             increments, bases, bounds, and of an upsert with a condition the fields of the row to insert (packed, one after the other) }
  Returns  { 1 if the shard had no due record, { positions of records that were clean }, { position, refusal, … },
             { position, row, … of operations with a condition: after them, of a delete before it } }, or only the first if the others are
           empty; positions count from 1; refusals: 'backlog', 'overflow', 'size', 'unreadable', and where a condition does not hold 'there', 'missing', 'unknown'

  A pending change begins packed (packed.lua says how), and stays so while operations of its first shape follow: of all records of a run
  such changes are read and written by one command each. Any other operation makes a hash of its own of it first, as do a bound and what is
  long: of a hash a small part can be changed alone.

  Fields of a pending change: '~' state, view flag, extras, time of the first write ('iv-1700000000000') · '=name' value set ·
  '+name' increment · '^name' what it is at least after that · '_name' at most · '?name' that of the two '_' came first · '!name' base of
  the inserted row · '<=name', '<+name', '<^name', … what applies before, and only to a row that is there.
  States: u update of a row that is there · i insert or change · c create: insert, or be refused · d deleted · r replaced (deleted, then
  inserted).
  View flags: v there · m there, saying that the row is missing · - not there. Extras: s values of counters set · x increments or bases ·
  b both · a both and bounds · - neither.
]]
local call, sub, char, format = redis.call, string.sub, string.char, string.format
local pack, unpackSome = cmsgpack.pack, cmsgpack.unpack_limit
-- include named
local prefix = KEYS[1]
local debounce, maxWait, maxDirty, largest, nameClean, writer, sequence, writes, traces, rowNames, shapes, entries = cmsgpack.unpack(ARGV[1])
local NULL = '\0'
local SEQUENCE_TTL = '3600000'
-- Bytes of traceparents that a shard keeps until its next claim.
local MAX_TRACES = 32 * 56
-- Bytes of a packed change.
local MAX_PACKED = 1024
-- Redis searches a hash of up to 512 fields and a sorted set of up to 128 members from the start. A member of more than 64 bytes makes a table of
-- either, and it stays one: that is done when more records than these become dirty. No key has a space.
local MAX_SEARCHED, LONG_SIZE = 32, 65
-- Of decimal numbers with so many characters a double holds the sum.
local MAX_DIGITS = 15
-- So many ms, and so much of a debounce, a record that is written again may be due later than a debounce from then: most writes to what is
-- written all the time so leave its time as it is.
local MAX_SLACK, SLACK_SHARE = 100, 1 / 8

local writerKey, dirtyKey, packedKey = prefix .. 'writer/' .. writer, prefix .. 'dirty', prefix .. 'packed'
local pendPrefix, viewPrefix = prefix .. 'pend/', prefix .. 'view/'
local before = call('MGET', writerKey, prefix .. 'intent')
if before[1] then
  local seen, reply = cmsgpack.unpack(before[1])
  if sequence <= seen then return reply end
end
if before[2] then
-- include settle
end

-- Times are turned into text once, and compared as such (they have as many digits): for a number Lua does it anew each time. What is written
-- now is due at `soonest` if it was clean, else at `latest` or somewhat before, and maxWait after its first write if that was before `late`.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local slack = math.min(MAX_SLACK, math.floor(debounce * SLACK_SHARE))
local nowText, soonest, latest = format('%d', now), format('%d', now + debounce), format('%d', now + debounce + slack)
local late = format('%d', math.max(1e12, now + debounce + slack - maxWait))
-- Number of dirty records, once a clean one asks for it, and how many of them were clean.
local dirty, entered = nil, 0
-- Whether the shard had a due record: when the first one was due before this call, false if none was dirty.
local first
-- Of the shape at hand. `head` is what a packed change of it begins with, after the times.
local kind, condition, sets, amounts, bases, bounds, setsCounter, addsUp, names, limits
local size, head
local clean, refused, rows, isTable = {}, {}, {}, false

-- What follows makes functions where they are needed, and not before: each would cost every call as much as a command.
local enter, addUp, compose, followPacked
local position, index = 1, 0
while position <= #entries do
  local records = entries[position + 1]
  kind, condition, sets, amounts, bases, bounds, setsCounter, addsUp, names, limits = unpack(shapes[entries[position]])
  size = sets + amounts + bases + bounds
  local adds = amounts + bases > 0
  head = (kind == 'update' and 'u-' or kind == 'create' and 'c-' or 'i-') .. (adds and (setsCounter and 'b' or 'x') or setsCounter and 's' or '-')
    .. names
  local from, maxBytes = 26 + #head, MAX_PACKED - #head
  local keys, changes, areClean, stored, count, scores, scored = {}, nil, nil, {}, 0, {}, 0
  for n = 1, records do keys[n] = entries[position + 2 * n] end
  if not condition and kind ~= 'delete' and bounds == 0 then changes = call('HMGET', packedKey, unpack(keys)) end

  for n = 1, records do
    index = index + 1
    local key, values = keys[n], entries[position + 2 * n + 1]
    -- The record's change, if it is packed; false if it is not, nil if that is not known. `due`: where it moves to in the index, if it does.
    local change, after, due, refusal = changes and changes[n], nil, nil, nil
    local mayBePacked, isViewed = changes and #values <= maxBytes, false
    if mayBePacked and change then
      local isOfShape = addsUp and sub(change, 27, from) == head
      if addsUp and not isOfShape then
        isViewed = sub(change, 28, 28) == 'v' and sub(change, 27, 27) .. '-' .. sub(change, 29, from) == head
      end
      if isOfShape or isViewed then
        if adds and not addUp then
-- include addup
        end
        local begin = sub(change, 1, from)
        if begin < soonest or begin > latest then
          local since = sub(begin, 14, 26)
          -- The clock may have been put back.
          if since > nowText then since = nowText end
          local held, new = sub(begin, 1, 13), since < late and format('%d', since + maxWait) or latest
          -- A later time is for the claim to see that comes for the one held.
          if new < held then due = new end
          if new ~= held then begin = new .. since .. sub(begin, 27) end
        end
        after = adds and addUp(begin, change, values) or not adds and begin .. values
      end
    elseif mayBePacked then
      -- Whether those of the run that have no packed change have none at all, and no view.
      if areClean == nil then
        dirty = dirty or call('ZCARD', dirtyKey)
        -- As many are packed as are dirty: then no change is a hash of its own.
        local arePacked = call('HLEN', packedKey) == dirty
        local others, some = {}, 0
        for m = n, records do
          if not changes[m] then
            some = some + 1
            others[some] = viewPrefix .. named(keys[m])
            if not arePacked then
              some = some + 1
              others[some] = pendPrefix .. named(keys[m])
            end
          end
        end
        -- The first and the last mostly tell of views and of hashes.
        areClean = not (some > 8 and call('EXISTS', others[1], others[some]) > 0) and call('EXISTS', unpack(others)) == 0
      end
      if areClean then
        if not enter then
-- include enter
        end
        refusal = enter(index)
        if not refusal then after, due = soonest .. nowText .. head .. values, soonest end
      end
    end

    if not refusal and (isViewed or not after) then
      if not compose then
-- include compose
      end
      if after then after = followPacked(key, values, after)
      else refusal, due, after = compose(index, key, values, change, mayBePacked) end
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
  -- What is not in the index would never be flushed: it is there before its change is.
  if scored > 0 then
    -- Where each record had a packed change, the shard had a due record.
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
-- Parked records are not due; whoever flushes a batch in flight then sees to what is.
if (first == false or first == 'inf') and call('EXISTS', prefix .. 'batch') == 0 then wasClean = 1 end
local accepted = index - #refused / 2
if traces ~= '' and accepted > 0 and call('STRLEN', prefix .. 'traces') < MAX_TRACES then call('APPEND', prefix .. 'traces', traces) end
call('HINCRBY', prefix .. 'stats', 'writes', writes)
local reply = wasClean
if #clean + #refused + #rows > 0 then reply = { wasClean, clean, refused, rows } end
call('SET', writerKey, pack(sequence, reply), 'PX', SEQUENCE_TTL)
return reply
