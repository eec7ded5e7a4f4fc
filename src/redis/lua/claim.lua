#!lua flags=allow-oom
--[[
  Freezes pending changes as the one batch of the shard. The changes are packed and move into the batch, where no write reaches them. Their records
  leave the dirty index. If a batch is in flight already, the script returns that batch again, with the same content. Parked records are claimed in
  batches of their own, so that a refusal costs the other records nothing.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  beginning of the id of a new batch
  ARGV[2]  highest number of records in the batch
  ARGV[3]  highest number of bytes of its keys and changes; a record that has more is a batch of its own
  ARGV[4]  what to claim: 'due' (records that are due at a time) · 'before' (records that were first written until a time) · 'keys' (named records)
  ARGV[5]  this time in ms; 0 for 'keys'
  ARGV[6]  the policy's debounce in ms
  ARGV[7…] the keys, each only once

  Returns  { id, id of the batch before or nil, writes that the batch carries, keys (a packed list), changes (a packed list of packed changes),
             traceparents of these writes or nil, how often the batch was claimed, what is known about its records (split.lua) or nil }
           or { nil, ms until the next record may be due or nil, number of records that later writes have delayed, 1 if there may be more of them }
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

-- The records to claim, and their packed changes, if these have been read already.
local candidates, packed
if what == 'due' then candidates, packed = dueKeys(tonumber(argument))
elseif what == 'before' then candidates = keysBefore(tonumber(argument))
else
  candidates = {}
  for n = 7, #ARGV do candidates[n - 6] = ARGV[n] end
end

-- A change that cannot be read is in the hash 'unreadable' until the database has it.
local function apart(key) return what == 'keys' and redis.call('HGET', prefix .. 'unreadable', key) end

-- Removes a member without a change from the index. A write that stopped half-way has left it there. Its view is dropped, too, because it may show
-- that write.
local function dropRemainder(key, change)
  if change then redis.call('HDEL', packedKey, key) end
  if redis.call('ZSCORE', dirtyKey, key) then
    redis.call('UNLINK', prefix .. 'view/' .. named(key), prefix .. 'lease/' .. named(key))
    redis.call('ZREM', dirtyKey, key)
  end
end

-- Returns the candidates that have a pending change, up to maxBytes; their changes; the Redis keys of the changes that are hashes; and the batch's
-- note about their views.
local function take()
  local keys, changes, hashes, bytes, views = {}, {}, {}, 0, false
  local size = 0
  packed = packed or changesOf(candidates)
  for n, key in ipairs(candidates) do
    if size == batchSize then break end
    -- An empty change belongs to the long member, for which Redis makes a hash table (write.lua).
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

-- Returns when the first of the records was due. The keys are in the order of the index, unless the call named them.
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

-- Removes the records from the index. If they were claimed in its order, they are mostly its first members, and one command removes them.
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
-- No id may be used twice. After a broken connection ioredis sends the call again, and the batch of the first call may have ended already.
local id = newId .. '.' .. time[1] .. '.' .. time[2]
local packedKeys, packedChanges = cmsgpack.pack(keys), cmsgpack.pack(changes)
local batch = { 'id', id, 'writes', writes, 'claimed', stats[1] or '0', 'keys', packedKeys, 'changes', packedChanges, 'tries', '1', 'due', firstDue(keys) }
local function add(field, value)
  if value then batch[#batch + 1], batch[#batch + 2] = field, value end
end
add('views', views)
add('traces', traces)
add('previous', acked)

-- The batch has all changes before anything is removed from its place. The commands after that do the same as settle.lua, but there are fewer of
-- them.
redis.call('SET', prefix .. 'intent', 'claim:' .. id)
redis.call('HSET', batchKey, unpack(batch))
if #keys > #hashes then inParts(keys, function(_, ...) redis.call('HDEL', packedKey, ...) end) end
inParts(hashes, function(_, ...) redis.call('DEL', ...) end)
leaveIndex(keys)
if traces then redis.call('DEL', prefix .. 'traces') end
redis.call('HSET', statsKey, 'claimed', stats[1] or '0')
redis.call('DEL', prefix .. 'intent')
return { id, acked, writes, packedKeys, packedChanges, traces, 1 }
