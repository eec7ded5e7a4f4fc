#!lua flags=allow-oom
--[[
  Ends the batch in flight, which is in the database: it goes, records without newer changes are clean, their views get a TTL.
  Does nothing if another batch is in flight. A group of a split batch that waits takes its turn.

  KEYS[1]  prefix of the shard's keys
  ARGV     id of the batch, id that the ledger holds, id for the next group, TTL of a view ms, TTL of a missing row ms, rows persisted,
           '1' to name the records that are still dirty
  Returns  { time in ms, ms until the next flush or nil, { key, ms until it is due, … of records still dirty }, keys unparked } or nil
]]
local prefix = KEYS[1]
local id, ledger, nextId = ARGV[1], ARGV[2], ARGV[3]
local viewTtl, missingTtl, rows, nameDirty = ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1'
local batchKey, dirtyKey, parkedKey = prefix .. 'batch', prefix .. 'dirty', prefix .. 'parked'

local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'rest')
if batch[1] ~= id then return false end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local anyParked = redis.call('EXISTS', parkedKey) == 1
local stillDirty, unparked = {}, {}

-- Calls a command for many keys at once, as many as Lua can pass on.
local function each(command, names)
  local total = 0
  for n = 1, #names, 1000 do total = total + redis.call(command, unpack(names, n, math.min(n + 999, #names))) end
  return total
end

local function named(kind, keys)
  local names = {}
  for n, key in ipairs(keys) do names[n] = prefix .. kind .. key end
  return names
end

-- The keys that were not written since they were claimed; mostly all of them, which one call tells.
local function cleanOf(keys)
  if each('EXISTS', named('pend:', keys)) == 0 then return keys end
  local clean = {}
  for _, key in ipairs(keys) do
    if redis.call('EXISTS', prefix .. 'pend:' .. key) == 0 then
      clean[#clean + 1] = key
    elseif nameDirty then
      stillDirty[#stillDirty + 1] = key
      stillDirty[#stillDirty + 1] = math.max(0, redis.call('ZSCORE', dirtyKey, key) - now)
    end
  end
  return clean
end

local function expireViews(keys)
  local views = named('view:', keys)
  if each('EXISTS', views) == 0 then return end
  for _, view in ipairs(views) do
    local present = redis.call('HGET', view, '~')
    if present then redis.call('PEXPIRE', view, present == '1' and viewTtl or missingTtl) end
  end
end

local keys = cmsgpack.unpack(batch[2])
if anyParked then
  for _, key in ipairs(keys) do
    if redis.call('HDEL', parkedKey, key) == 1 then unparked[#unparked + 1] = key end
  end
end
local clean = cleanOf(keys)
for n = 1, #clean, 1000 do redis.call('ZREM', dirtyKey, unpack(clean, n, math.min(n + 999, #clean))) end
expireViews(clean)

redis.call('SET', prefix .. 'acked', ledger)
redis.call('HINCRBY', prefix .. 'stats', 'rows', rows)
redis.call('HINCRBY', prefix .. 'stats', 'batches', 1)

local rest = batch[3] and cmsgpack.unpack(batch[3]) or {}
local group = table.remove(rest)
if group then
  redis.call('HSET', batchKey, 'id', nextId, 'previous', ledger, 'writes', '0', 'keys', group[1], 'changes', group[2], 'rest', cmsgpack.pack(rest))
  return { now, 0, stillDirty, unparked }
end
redis.call('DEL', batchKey)
local first = redis.call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')
local wait = false
if first[2] and first[2] ~= 'inf' then wait = math.max(0, first[2] - now) end
return { now, wait, stillDirty, unparked }
