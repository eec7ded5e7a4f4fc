-- Whether none of the records from `from` on that have no packed change has a change of another form, or a view. `arePacked`: all changes of
-- the shard are packed. Needs the include named.
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
  -- The first and the last name mostly tell: a run is of views and of hashes, or is not.
  if size > 8 and redis.call('EXISTS', others[1], others[size]) > 0 then return false end
  return redis.call('EXISTS', unpack(others)) == 0
end
