-- Included by the scripts that change what is pending, claimed or viewed, before they do. Needs prefix, that of the shard's keys.
-- Redis takes back nothing of what a script did before one of its commands failed. A move that takes several commands is named in the key 'intent'
-- before it begins, until it has ended: here it is finished, or given up. All of this may be done twice.
-- include named
local intent = redis.call('GET', prefix .. 'intent')
if intent then
  local what, name = string.match(intent, '^(%a+):(.*)$')
-- include inparts
-- include putback

  -- The draft of a change has taken its place when it is gone: then the packed change is in it.
  local function open(key)
    if redis.call('EXISTS', prefix .. 'draft') == 0 then redis.call('HDEL', prefix .. 'packed', key) end
  end

  -- What the batch holds is not pending any more.
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
