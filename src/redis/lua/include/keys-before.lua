-- Finds the records that were first written until a time. Needs `dirtyKey`, `batchSize`, `debounce`, `now`, `anyParked` and `isParked`, and the
-- include packed.

local PAGE = 1000

local function firstWrite(key)
  local flat = pendingChange(key)
  return flat and flat[2] and tonumber(string.sub(flat[2], META_SINCE)) or 0
end

-- Reads a part of the index page by page, and adds its keys: the wanted ones, or all of them.
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

-- A record is due a debounce after its write at the earliest. So for most records the index is enough, and the script reads only the changes of the
-- others.
local function keysBefore(limit)
  local keys, sure = {}, string.format('%.0f', limit + debounce)
  gather(keys, '-inf', sure)
  -- A record whose first write is in the future was written before the clock was put back.
  local function isBefore(key)
    local first = firstWrite(key)
    return first <= limit or first > now
  end
  if #keys < batchSize then gather(keys, '(' .. sure, '(inf', isBefore) end
  return keys
end
