#!lua flags=allow-oom
--[[
  Freezes the pending changes of due records as the shard's one batch: they move into the batch, packed, where no write reaches them,
  and leave the dirty index, which so has only records with a pending change.
  A batch in flight is returned again, with the same content. Parked records that are due again are claimed in batches of their own, so that
  a refusal costs the others nothing.

  KEYS[1]  prefix of the shard's keys
  ARGV     beginning of the id for a new batch, most records in it, most bytes of changes (a record that has more comes alone), what to claim:
           'due' (at or before a time) · 'before' (first written at or before a time) · 'keys', the time in ms (of 'keys' 0), the policy's debounce ms,
           the keys, none of them twice
  Returns  { id, id before it or nil, writes it carries, keys, changes, traceparents of those writes or nil, how often it was claimed,
             what is known of its records (see split.lua) or nil }
           or { nil, ms until the next record may be due or nil, records put off, 1 if there is more to look at }

  Keys are a list, packed by cmsgpack; changes as many changes, each packed as packed.lua says. The batch also keeps when
  its first record was due ('due'), and whether any of its records has a view, which then needs its TTL again ('views': 'rows' if none of them
  says that the row is missing, 'any' if that is not known).
]]
local prefix = KEYS[1]
-- include settle
-- include packed
-- include earlier
-- include inparts

local newId, batchSize, maxBytes, what, argument, debounce = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local batchKey, dirtyKey, parkedKey, statsKey = prefix .. 'batch', prefix .. 'dirty', prefix .. 'parked', prefix .. 'stats'
local packedKey = prefix .. 'packed'

local inFlight = redis.call('HMGET', batchKey, 'id', 'previous', 'writes', 'keys', 'changes', 'traces', 'tries', 'reasons')
if inFlight[1] then
  inFlight[7] = redis.call('HINCRBY', batchKey, 'tries', '1')
  return inFlight
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local anyParked = redis.call('EXISTS', parkedKey) == 1
local function isParked(key) return redis.call('HEXISTS', parkedKey, key) == 1 end

local function firstWrite(key)
  local flat = pendingChange(key)
  return flat and flat[2] and tonumber(string.sub(flat[2], 4)) or 0
end

-- Of some records those whose changes are packed; false for the others.
local function changesOf(keys)
  local changes = {}
  inParts(keys, function(first, ...)
    for n, change in ipairs(redis.call('HMGET', packedKey, ...)) do changes[first + n - 1] = change end
  end)
  return changes
end

-- What the index has due may have been put off by later writes: that moves to where it is due now, a batch's size of records after another.
local MAX_LOOKS = 5
local putOff, isMore = 0, false

-- Keys of what is due, in the order of the index, and their packed changes.
local function dueRecords(limit)
  local keys, packed, count, later, looks = {}, {}, 0, nil, 0
  repeat
    local due = redis.call('ZRANGEBYSCORE', dirtyKey, '-inf', limit, 'LIMIT', count, batchSize - count)
    local changes = changesOf(due)
    later, looks = {}, looks + 1
    for n, key in ipairs(due) do
      local time = changes[n] and tonumber(string.sub(changes[n], 1, 13))
      if time and time > limit and string.find(changes[n], BEGINNING) then
        later[#later + 1] = string.sub(changes[n], 1, 13)
        later[#later + 1] = key
      else
        count = count + 1
        keys[count], packed[count] = key, changes[n]
      end
    end
    inParts(later, function(_, ...) redis.call('ZADD', dirtyKey, ...) end)
    putOff, isMore = putOff + #later / 2, #later > 0 and looks == MAX_LOOKS
  until #later == 0 or isMore
  return keys, packed
end

local function dueKeys(limit)
  local due, packed = dueRecords(limit)
  if not anyParked then return due, packed end
  local isFirstParked = due[1] and isParked(due[1])
  local keys = {}
  for _, key in ipairs(due) do
    if isParked(key) == isFirstParked then keys[#keys + 1] = key end
  end
  return keys
end

local PAGE = 1000

-- Adds keys of a part of the index, a page at a time. `isWanted`: left out, all are.
local function gather(keys, from, to, isWanted)
  local offset, size = 0, #keys
  repeat
    local page = redis.call('ZRANGEBYSCORE', dirtyKey, from, to, 'LIMIT', offset, PAGE)
    for _, key in ipairs(page) do
      if size < batchSize and not (anyParked and isParked(key)) and (not isWanted or isWanted(key)) then
        size = size + 1
        keys[size] = key
      end
    end
    offset = offset + #page
  until size == batchSize or #page < PAGE
end

-- A record is due a debounce after a write at the earliest, so that the score mostly tells without a look at the record.
local function keysBefore(limit)
  local keys, sure = {}, string.format('%.0f', limit + debounce)
  gather(keys, '-inf', sure)
  -- What was first written after now was written before the clock was put back.
  local function isBefore(key)
    local first = firstWrite(key)
    return first <= limit or first > now
  end
  if #keys < batchSize then gather(keys, '(' .. sure, '(inf', isBefore) end
  return keys
end

-- `packed`: the changes of all candidates that are packed, where they have been read.
local candidates, packed
if what == 'due' then candidates, packed = dueKeys(tonumber(argument))
elseif what == 'before' then candidates = keysBefore(tonumber(argument))
else
  candidates = {}
  for n = 7, #ARGV do candidates[n - 6] = ARGV[n] end
end

local function pack(flat)
  local meta, names, values = nil, {}, {}
  for n = 1, #flat, 2 do
    if flat[n] == '~' then meta = flat[n + 1]
    else names[#names + 1], values[#values + 1] = flat[n], flat[n + 1] end
  end
  -- Without the state nobody can read the change: then only its fields are kept.
  meta = meta or '?--' .. string.format('%.0f', now)
  -- When a claimed record was due nobody asks.
  local time = string.sub(meta, 4)
  local packed = { time, time, string.sub(meta, 1, 3), cmsgpack.pack(names) }
  inParts(values, function(_, ...) packed[#packed + 1] = cmsgpack.pack(...) end)
  return table.concat(packed)
end

-- The change of a candidate that is a hash, packed. False if it is clean.
local function packHash(key)
  local pend = prefix .. 'pend/' .. named(key)
  local flat = whole(redis.pcall('HGETALL', pend))
  -- Something else than a hash is kept as RESTORE takes it.
  if not flat then return redis.call('DUMP', pend) end
  return #flat > 0 and pack(flat)
end

-- A change that cannot be read stays apart until it is known to be in the database.
local function apart(key) return what == 'keys' and redis.call('HGET', prefix .. 'unreadable', key) end

-- A member of the index without a change was left by a write that stopped half-way: the view may have followed that write.
local function dropRemainder(key, change)
  if change then redis.call('HDEL', packedKey, key) end
  if redis.call('ZSCORE', dirtyKey, key) then
    redis.call('UNLINK', prefix .. 'view/' .. named(key), prefix .. 'lease/' .. named(key))
    redis.call('ZREM', dirtyKey, key)
  end
end

-- The candidates that have a pending change, up to the most bytes, with the names of those changes that are hashes; the others are clean.
local function take()
  local keys, changes, hashes, bytes, views = {}, {}, {}, 0, false
  local size = 0
  packed = packed or changesOf(candidates)
  for n, key in ipairs(candidates) do
    if size == batchSize then break end
    -- What makes a table of the changes (write.lua) is none itself.
    local change = packed[n] ~= '' and (packed[n] or packHash(key) or apart(key))
    if change then
      bytes = bytes + #key + #change
      if size > 0 and bytes > maxBytes then break end
      size = size + 1
      keys[size], changes[size] = key, change
      if not packed[n] then hashes[#hashes + 1] = prefix .. 'pend/' .. named(key) end
      local flag = string.sub(change, 28, 28)
      if flag == 'm' then views = 'any' elseif flag == 'v' then views = views or 'rows' end
    else
      dropRemainder(key, packed[n])
    end
  end
  return keys, changes, hashes, views
end

-- When the first of some records was due: they are in the order of the index, unless they were named.
local function firstDue(keys)
  local first
  if what ~= 'keys' then first = redis.call('ZSCORE', dirtyKey, keys[1])
  else
    inParts(keys, function(_, ...)
      for _, due in ipairs(redis.call('ZMSCORE', dirtyKey, ...)) do first = earlier(first, due) end
    end)
  end
  return first or string.format('%.0f', now)
end

-- In the order of the index what was taken is mostly its head, which one command takes off.
local function leaveIndex(keys)
  local size = #keys
  if what ~= 'keys' and redis.call('ZRANK', dirtyKey, keys[size]) == size - 1 then
    redis.call('ZREMRANGEBYRANK', dirtyKey, 0, size - 1)
  else
    inParts(keys, function(_, ...) redis.call('ZREM', dirtyKey, ...) end)
  end
end

local keys, changes, hashes, views = take()
if #keys == 0 then
  local first = redis.call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')[2]
  local wait = first and first ~= 'inf' and math.max(0, first - now)
  return { false, wait or false, putOff, isMore and 1 }
end

local stats = redis.call('HMGET', statsKey, 'writes', 'claimed')
local writes = string.format('%.0f', (tonumber(stats[1]) or 0) - (tonumber(stats[2]) or 0))
local traces = redis.call('GET', prefix .. 'traces')
local acked = redis.call('GET', prefix .. 'acked')
-- ioredis sends a call again after a broken connection, maybe when the batch that it made has gone: the same id must not come twice.
local id = newId .. '.' .. time[1] .. '.' .. time[2]
local packedKeys, packedChanges = cmsgpack.pack(keys), cmsgpack.pack(changes)
local batch = { 'id', id, 'writes', writes, 'claimed', stats[1] or '0', 'keys', packedKeys, 'changes', packedChanges, 'tries', '1', 'due', firstDue(keys) }
local function add(field, value)
  if value then batch[#batch + 1], batch[#batch + 2] = field, value end
end
add('views', views)
add('traces', traces)
add('previous', acked)

-- The batch has all before anything of it is taken from where it was. What follows is what settle.lua does, in fewer commands.
redis.call('SET', prefix .. 'intent', 'claim:' .. id)
redis.call('HSET', batchKey, unpack(batch))
if #keys > #hashes then inParts(keys, function(_, ...) redis.call('HDEL', packedKey, ...) end) end
inParts(hashes, function(_, ...) redis.call('DEL', ...) end)
leaveIndex(keys)
if traces then redis.call('DEL', prefix .. 'traces') end
redis.call('HSET', statsKey, 'claimed', stats[1] or '0')
redis.call('DEL', prefix .. 'intent')
return { id, acked, writes, packedKeys, packedChanges, traces, 1 }
