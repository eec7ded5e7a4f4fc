-- The last step of park.lua, which settle.lua repeats for it. Needs `prefix`, and the include named.
-- include in-parts
-- include advance

-- Keeps a change that cannot be composed, in addition to changes that are kept already.
local function putApart(key, change)
  local field = key
  local held = redis.call('HGET', prefix .. 'unreadable', field)
  while held and held ~= change do
    field = field .. ' '
    held = redis.call('HGET', prefix .. 'unreadable', field)
  end
  redis.call('HSET', prefix .. 'unreadable', field, change)
end

-- Puts the composed changes in the place of the pending ones, lists their records, and lets the next group take its turn. Each record is in
-- the index first, and stays in the batch until the end. All of this may be done twice, as long as the batch is in flight.
local function putBack(id)
  local batchKey = prefix .. 'batch'
  local batch = redis.call('HMGET', batchKey, 'id', 'keys', 'composed', 'entries', 'next', 'rest', 'traces', 'changes')
  if batch[1] == id then
    local composed, entries = cmsgpack.unpack(batch[3]), cmsgpack.unpack(batch[4])
    local changes = cmsgpack.unpack(batch[8])
    for n, key in ipairs(cmsgpack.unpack(batch[2])) do
      if #composed[n] == 0 then
        putApart(key, changes[n])
      else
        local pend = prefix .. 'pend/' .. named(key)
        redis.call('ZADD', prefix .. 'dirty', 'NX', 'inf', key)
        redis.call('DEL', pend)
        inParts(composed[n], function(_, ...) redis.call('HSET', pend, ...) end)
        redis.call('HDEL', prefix .. 'packed', key)
      end
      redis.call('HSET', prefix .. 'parked', key, entries[n])
    end
    redis.call('SET', prefix .. 'acked', 'void:' .. id)
    if batch[7] and redis.call('EXISTS', prefix .. 'traces') == 0 then redis.call('SET', prefix .. 'traces', batch[7]) end
    advance(batch[6], 'void:' .. id, batch[5])
  end
  redis.call('HDEL', batchKey, 'composed', 'entries', 'next')
end
