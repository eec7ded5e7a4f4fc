-- Ends a move that another script has left half-way, before a script changes what is pending, claimed or viewed. Redis takes back nothing of what a
-- script did before one of its commands failed. So the key 'intent' names a move of several commands. It is set before the move begins, and deleted
-- after the move has ended. A move that stopped is finished here, or given up. All of this may be done twice. Needs `prefix`.
-- include named
local intent = redis.call('GET', prefix .. 'intent')
if intent then
  local what, name = string.match(intent, '^(%a+):(.*)$')
-- include in-parts
-- include put-back

  -- A packed change becomes a hash. If the draft is gone, the hash has taken its place, and the packed change is in it.
  local function open(key)
    if redis.call('EXISTS', prefix .. 'draft') == 0 then redis.call('HDEL', prefix .. 'packed', key) end
  end

  -- Changes move into the batch. If the batch has all of them, they are not pending any more.
  local function claim(id)
    local batch = redis.call('HMGET', prefix .. 'batch', 'id', 'keys', 'claimed')
    if batch[1] ~= id then return end
    local keys, hashes = cmsgpack.unpack(batch[2]), {}
    for n, key in ipairs(keys) do hashes[n] = prefix .. 'pend/' .. named(key) end
    inParts(keys, function(_, ...) redis.call('HDEL', prefix .. 'packed', ...) end)
    inParts(hashes, function(_, ...) redis.call('DEL', ...) end)
    inParts(keys, function(_, ...) redis.call('ZREM', prefix .. 'dirty', ...) end)
    redis.call('DEL', prefix .. 'traces')
    redis.call('HSET', prefix .. 'stats', 'claimed', batch[3])
  end

  if what == 'open' then open(name) elseif what == 'claim' then claim(name) else putBack(name) end
  redis.call('DEL', prefix .. 'intent')
end
