#!lua flags=allow-oom
--[[
  Parks the records of the batch in flight, which the database refused and which the ledger has void. Their changes go back under the newer pending
  ones, and they are listed. A parked record is claimed again by a job of its own, by an explicit flush, or when it is written again.
  Does nothing if another batch is in flight.

  KEYS[1]  prefix of the shard's keys
  ARGV[1]  id of the batch
  ARGV[2]  id for the next group of a split batch
  ARGV[3…] the reasons: one for all records, or one for each in the order of the batch

  Returns  { key, attempts so far, … } or nil
]]
local prefix = KEYS[1]
local id, nextId = ARGV[1], ARGV[2]
local batchKey, parkedKey = prefix .. 'batch', prefix .. 'parked'
-- include settle
-- include bounds
-- include packed
-- include add-to
-- include put-back

local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'changes')
if batch[1] ~= id then return false end
-- include now
-- include put-under

-- Returns the claimed change and the newer one, composed, as one flat list. The list is empty if either cannot be read. Then the claimed change is
-- kept as it is in the hash 'unreadable'. The time of the first write begins anew, so that writes to a parked record are debounced like any others.
local function composed(key, packed)
  local claimed = flatten(packed)
  if not claimed then return {} end
  redis.call('DEL', claim)
  inParts(claimed, function(_, ...) redis.call('HSET', claim, ...) end)
  local state = putUnder(key, toFields(claimed))
  if not state then return {} end
  local view = redis.call('HGET', prefix .. 'view/' .. named(key), '~')
  redis.call('HSET', claim, '~', state .. (view == '1' and 'v' or view == '0' and 'm' or '-') .. 'a' .. now)
  return redis.call('HGETALL', claim)
end

-- Returns how often the record has been refused, including this time, and its entry for the hash 'parked'.
local function entryOf(key, reason)
  local before = redis.call('HGET', parkedKey, key)
  local attempts, since = 0, now
  if before then
    local a, s = string.match(before, '^(%d+) (%d+) ')
    attempts, since = tonumber(a), tonumber(s)
  end
  return attempts + 1, (attempts + 1) .. ' ' .. since .. ' ' .. reason
end

local parked, changes, all, entries = {}, cmsgpack.unpack(batch[3]), {}, {}
for n, key in ipairs(cmsgpack.unpack(batch[2])) do
  all[n] = composed(key, changes[n])
  parked[2 * n - 1] = key
  parked[2 * n], entries[n] = entryOf(key, ARGV[n + 2] or ARGV[3])
end
redis.call('DEL', claim)
-- The batch has all composed changes and entries before anything is put back (settle.lua).
redis.call('HSET', batchKey, 'composed', cmsgpack.pack(all), 'entries', cmsgpack.pack(entries), 'next', nextId)
redis.call('SET', prefix .. 'intent', 'park:' .. id)
putBack(id)
redis.call('DEL', prefix .. 'intent')
return parked
