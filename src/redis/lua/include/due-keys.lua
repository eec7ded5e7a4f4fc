-- Finds the records that are due. Needs `dirtyKey`, `packedKey`, `batchSize` and `isParked`, and the includes packed and in-parts.

-- The index may say that a record is due, although later writes have delayed it. Such a record moves to its new time in the index. The script then
-- looks at as many other records as the batch can still take, and does so at most MAX_LOOKS times.
local MAX_LOOKS = 5
-- How many records later writes have delayed, and whether there may be more of them.
local putOff, isMore = 0, false

-- A packed change for each key, false for a key that has none.
local function changesOf(keys)
  local changes = {}
  inParts(keys, function(first, ...)
    for n, change in ipairs(redis.call('HMGET', packedKey, ...)) do changes[first + n - 1] = change end
  end)
  return changes
end

-- The keys of the records that are due, in the order of the index, and their packed changes.
local function dueRecords(limit)
  local keys, packed, count, later, looks = {}, {}, 0, nil, 0
  repeat
    local due = redis.call('ZRANGEBYSCORE', dirtyKey, '-inf', limit, 'LIMIT', count, batchSize - count)
    local changes = changesOf(due)
    later, looks = {}, looks + 1
    for n, key in ipairs(due) do
      local time = changes[n] and tonumber(string.sub(changes[n], 1, DUE_END))
      if time and time > limit and string.find(changes[n], BEGINNING) then
        later[#later + 1] = string.sub(changes[n], 1, DUE_END)
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

-- If some records are left out, the changes are not returned. Parked records and others are claimed in different batches.
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
