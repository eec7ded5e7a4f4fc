#!lua flags=allow-oom
--[[
  Ends the batch in flight after its rows are in the database. The batch is dropped, records without newer changes are clean, and their views get a TTL.
  If a group of a divided batch waits, it becomes the batch. Does nothing if another batch is in flight.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  id of the batch
  ARGV[2]  id that the ledger has
  ARGV[3]  id for the next group of a split batch
  ARGV[4]  TTL of a view in ms
  ARGV[5]  TTL of a view that says the row is missing
  ARGV[6]  number of rows persisted
  ARGV[7]  '1' to name the records that are still dirty

  Returns  { time in ms, ms until the next flush or nil, { key, ms until it is due, … of the records that are still dirty }, { keys unparked } } or nil
]]
local prefix = KEYS[1]
local id, ledger, nextId = ARGV[1], ARGV[2], ARGV[3]
local viewTtl, missingTtl, rows, nameDirty = ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1'
local batchKey, dirtyKey, parkedKey = prefix .. 'batch', prefix .. 'dirty', prefix .. 'parked'
-- include settle
-- include advance

local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'rest', 'views')
if batch[1] ~= id then return false end

-- include now
local anyParked = redis.call('EXISTS', parkedKey) == 1
local stillDirty, unparked = {}, {}

-- Whether the hash 'unreadable' still has a change of the record. Then the record stays parked. The change of the batch is in the database, and is
-- removed from that hash.
local function isApart(key, change)
  local field, isLeft = key, false
  local held = redis.call('HGET', prefix .. 'unreadable', field)
  while held do
    if held == change then redis.call('HDEL', prefix .. 'unreadable', field) else isLeft = true end
    field = field .. ' '
    held = redis.call('HGET', prefix .. 'unreadable', field)
  end
  return isLeft
end

local function unpark(keys)
  local anyApart = redis.call('EXISTS', prefix .. 'unreadable') == 1
  local changes = anyApart and cmsgpack.unpack(redis.call('HGET', batchKey, 'changes'))
  for n, key in ipairs(keys) do
    if not (anyApart and isApart(key, changes[n])) and redis.call('HDEL', parkedKey, key) == 1 then unparked[#unparked + 1] = key end
  end
end

local function listDirty(keys)
  for _, key in ipairs(keys) do
    local due = redis.call('ZSCORE', dirtyKey, key)
    if due then
      stillDirty[#stillDirty + 1] = key
      stillDirty[#stillDirty + 1] = math.max(0, due - now)
    end
  end
end

-- Gives a TTL to the views of the records that were not written since the claim. These records are not in the index. `areRows`: none of the views
-- says that its row is missing.
local function expireViews(keys, areRows)
  local anyDirty = redis.call('ZCARD', dirtyKey) > 0
  for _, key in ipairs(keys) do
    if not (anyDirty and redis.call('ZSCORE', dirtyKey, key)) then
      local view = prefix .. 'view/' .. named(key)
      local isRow = areRows or redis.call('HGET', view, '~') == '1'
      redis.call('PEXPIRE', view, isRow and viewTtl or missingTtl)
    end
  end
end

-- The batch is only read if something has to be done for its records, which is rare.
if anyParked or nameDirty or batch[4] then
  local keys = cmsgpack.unpack(batch[2])
  if anyParked then unpark(keys) end
  if nameDirty then listDirty(keys) end
  if batch[4] then expireViews(keys, batch[4] == 'rows') end
end

-- This command comes first. If the script stops after it, the next flusher finds the batch, sees its id in the ledger, and acknowledges it again.
redis.call('SET', prefix .. 'acked', ledger)
local isMore = advance(batch[3], ledger, nextId)
redis.call('HINCRBY', prefix .. 'stats', 'rows', rows)
redis.call('HINCRBY', prefix .. 'stats', 'batches', 1)
if isMore then return { now, 0, stillDirty, unparked } end
local first = redis.call('ZRANGE', dirtyKey, 0, 0, 'WITHSCORES')
local wait = false
if first[2] and first[2] ~= 'inf' then wait = math.max(0, first[2] - now) end
return { now, wait, stillDirty, unparked }
