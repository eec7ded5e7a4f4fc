-- Looks at the records from position `from` on that have no packed change. Returns whether none of them has a change as a hash, or a view.
-- `arePacked`: all changes of the shard are packed, so that there are no hashes. Needs the include named.
local function haveNothing(prefix, keys, changes, from, arePacked)
  local others, size = {}, 0
  for n = from, #keys do
    if not changes[n] then
      local name = named(keys[n])
      size = size + 1
      others[size] = prefix .. 'view/' .. name
      if not arePacked then
        size = size + 1
        others[size] = prefix .. 'pend/' .. name
      end
    end
  end
  -- The first and the last name mostly tell the result, because the records of a run mostly have the same keys in Redis. So they are asked for first.
  if size > 8 and redis.call('EXISTS', others[1], others[size]) > 0 then return false end
  return redis.call('EXISTS', unpack(others)) == 0
end
