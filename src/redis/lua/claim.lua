#!lua flags=allow-oom
--[[
  Freezes the pending changes of due records as the one batch of the shard. The changes move into the batch, packed, where no write reaches them, and
  their records leave the dirty index. A batch in flight is returned again with the same content. Parked records are claimed in batches
  of their own, so that a refusal does not cost the others anything.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  beginning of the id of a new batch
  ARGV[2]  most records in the batch
  ARGV[3]  most bytes of its keys and changes; a record that has more comes alone
  ARGV[4]  what to claim: 'due' (at a time) · 'before' (first written until a time) · 'keys'
  ARGV[5]  that time in ms, 0 for 'keys'
  ARGV[6]  the policy's debounce in ms
  ARGV[7…] the keys, each of them once

  Returns  { id, id of the batch before or nil, writes that the batch carries, keys (a packed list), changes (a packed list of packed changes),
             traceparents of those writes or nil, how often the batch was claimed, what is known of its records (split.lua) or nil }
           or { nil, ms until the next record may be due or nil, number of records that were put off, 1 if there may be more of them }
]]
local prefix = KEYS[1]
-- include settle
-- include packed
-- include earlier
-- include in-parts

local newId, batchSize, maxBytes, what, argument, debounce = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local batchKey, dirtyKey, parkedKey, statsKey = prefix .. 'batch', prefix .. 'dirty', prefix .. 'parked', prefix .. 'stats'
local packedKey = prefix .. 'packed'

local inFlight = redis.call('HMGET', batchKey, 'id', 'previous', 'writes', 'keys', 'changes', 'traces', 'tries', 'reasons')
if inFlight[1] then
  inFlight[7] = redis.call('HINCRBY', batchKey, 'tries', '1')
  return inFlight
end

-- include now
local anyParked = redis.call('EXISTS', parkedKey) == 1
local function isParked(key) return redis.call('HEXISTS', parkedKey, key) == 1 end
-- include due-keys
-- include keys-before
-- include pack-hash

-- The records to claim, and their packed changes where those have been read.
local candidates, packed
if what == 'due' then candidates, packed = dueKeys(tonumber(argument))
elseif what == 'before' then candidates = keysBefore(tonumber(argument))
else
  candidates = {}
  for n = 7, #ARGV do candidates[n - 6] = ARGV[n] end
end

-- A change that cannot be read is kept apart until it is known to be in the database.
local function apart(key) return what == 'keys' and redis.call('HGET', prefix .. 'unreadable', key) end

-- Removes a member without a change from the index. A write that stopped half-way has left it. Its view goes too, because it may show that write.
local function dropRemainder(key, change)
  if change then redis.call('HDEL', packedKey, key) end
  if redis.call('ZSCORE', dirtyKey, key) then
    redis.call('UNLINK', prefix .. 'view/' .. named(key), prefix .. 'lease/' .. named(key))
    redis.call('ZREM', dirtyKey, key)
  end
end

-- Returns the candidates that have a pending change, up to the most bytes; their changes; the keys of those that are hashes; and what the batch says of
-- their views.
local function take()
  local keys, changes, hashes, bytes, views = {}, {}, {}, 0, false
  local size = 0
  packed = packed or changesOf(candidates)
  for n, key in ipairs(candidates) do
    if size == batchSize then break end
    -- An empty change belongs to the member that makes a table of the hash (write.lua).
    local change = packed[n] ~= '' and (packed[n] or packHash(key) or apart(key))
    if change then
      bytes = bytes + #key + #change
      if size > 0 and bytes > maxBytes then break end
      size = size + 1
      keys[size], changes[size] = key, change
      if not packed[n] then hashes[#hashes + 1] = prefix .. 'pend/' .. named(key) end
      local flag = string.sub(change, FLAG, FLAG)
      if flag == 'm' then views = 'any' elseif flag == 'v' then views = views or 'rows' end
    else
      dropRemainder(key, packed[n])
    end
  end
  return keys, changes, hashes, views
end

-- When the first of the records was due. They are in the order of the index, unless they were named.
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

-- Records that are claimed in the order of the index are mostly its first members, and one command removes those.
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
-- No id may come twice. After a broken connection ioredis sends the call again, perhaps when the batch of the first call has ended already.
local id = newId .. '.' .. time[1] .. '.' .. time[2]
local packedKeys, packedChanges = cmsgpack.pack(keys), cmsgpack.pack(changes)
local batch = { 'id', id, 'writes', writes, 'claimed', stats[1] or '0', 'keys', packedKeys, 'changes', packedChanges, 'tries', '1', 'due', firstDue(keys) }
local function add(field, value)
  if value then batch[#batch + 1], batch[#batch + 2] = field, value end
end
add('views', views)
add('traces', traces)
add('previous', acked)

-- The batch has everything before anything is removed from its place. What follows is what settle.lua does, in fewer commands.
redis.call('SET', prefix .. 'intent', 'claim:' .. id)
redis.call('HSET', batchKey, unpack(batch))
if #keys > #hashes then inParts(keys, function(_, ...) redis.call('HDEL', packedKey, ...) end) end
inParts(hashes, function(_, ...) redis.call('DEL', ...) end)
leaveIndex(keys)
if traces then redis.call('DEL', prefix .. 'traces') end
redis.call('HSET', statsKey, 'claimed', stats[1] or '0')
redis.call('DEL', prefix .. 'intent')
return { id, acked, writes, packedKeys, packedChanges, traces, 1 }
