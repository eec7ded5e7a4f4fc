-- Makes the functions for all operations that do not simply follow a packed change of their shape: `compose` applies an operation to a view, and to a
-- change that is a hash or becomes one. `followPacked` applies it only to a view. A call makes them only when it needs them, because these thirty
-- functions cost as much as several commands. `given` has the values of write.lua that they need, because functions that hold these values as
-- variables cost even more.
local function composition(given)
  local call, sub, named, prefix = redis.call, string.sub, given.named, given.prefix
  local rowNames, rows, nowText = given.rowNames, given.rows, given.nowText
  local soonest, latest, late, maxWait = given.soonest, given.latest, given.late, given.maxWait
  -- The pending change of one record may have this many bytes: twice the largest write.
  local maxWaiting = 2 * given.maxBytes
  local enter
  -- include bounds
  -- include packed
  -- include add-to
  -- include operation
  -- include view
  -- include fields
  -- include draft

  -- Returns when the record was first written. If that is in the future, because the clock was put back, it returns the present time.
  local function firstWrite(meta)
    local since = sub(meta, META_SINCE)
    return since < nowText and since or nowText
  end

  -- Applies the operation to the change and to the view. A new change gets all fields of the operation. To an older change the operation is added.
  local function change(pend, key, meta, since, packed)
    local view = prefix .. 'view/' .. named(key)
    local state, flag, extras = 'u', nil, '-'
    if meta then state, flag, extras = sub(meta, META_STATE, META_STATE), sub(meta, META_FLAG, META_FLAG), sub(meta, META_EXTRAS, META_EXTRAS)
    else flag = keepView(view) end
    if kind == 'update' and state == 'd' then return end
    local inserts = kind ~= 'update' and kind ~= 'delete' and (state == 'u' or state == 'd')
    local begins, newState, newExtras = inserts or not meta or kind == 'delete', state, extras
    if kind == 'delete' then newState, newExtras = 'd', '-'
    elseif inserts then newState, newExtras = state == 'd' and 'r' or kind == 'create' and 'c' or 'i', '-' end
    local hash, isNew = begin(pend, meta, state, extras, packed, inserts)
    if inserts and state == 'u' and not isNew then setAside(hash) end
    if not begins then
      if not addAll(hash, extras) then
        call('DEL', draft)
        return 'overflow'
      end
      eachBound(function(name, lower, upper) bound(hash, '', name, lower, upper) end)
      if sets > 0 and extras ~= '-' and extras ~= 's' then dropStale(hash, extras) end
    end
    local newMeta = newState .. follow(view, flag) .. extend(newExtras) .. since
    local count = begins and size or sets
    if isNew or newMeta ~= meta then call('HSET', hash, '~', newMeta, carry(count))
    elseif count > 0 then call('HSET', hash, carry(count)) end
    if hash == draft then replace(pend, key, packed) end
  end

  -- Whether the change would have too many bytes after an operation of this size. A value that the operation replaces does not count.
  local function isTooLarge(pend, bytes)
    if bytes <= MAX_PACKED then return false end
    local replaced = {}
    for n = 1, size do replaced[fields[2 * n - 1]] = true end
    for _, name in ipairs(call('HKEYS', pend)) do
      if not replaced[name] then bytes = bytes + call('HSTRLEN', pend, name) end
    end
    return bytes > maxWaiting
  end

  -- Applies the operation to a clean record. `head`: the head of the change, if it may be packed. Returns the same as `write`.
  local function begins(index, key, pend, values, head)
    local refusal = enter(index, not head and key)
    if refusal then return refusal end
    if not head then return change(pend, key, nil, nowText) end
    local view = prefix .. 'view/' .. named(key)
    return nil, soonest, soonest .. nowText .. sub(head, META_STATE, META_STATE) .. follow(view, keepView(view)) .. sub(head, META_EXTRAS) .. values
  end

  -- Returns why the operation is refused, or nil; then the time in ms at which the record is due, if it may be earlier than the index says; then
  -- the change of the record, if it is packed.
  local function write(index, key, packed, values, head)
    local pend = prefix .. 'pend/' .. named(key)
    if packed == nil then packed = packedChange(key) end
    local meta
    if packed then meta = metaOf(packed) else meta = call('HGET', pend, '~') end
    if not meta then return begins(index, key, pend, values, head) end
    if packed and not flatten(packed) then return 'unreadable' end
    if not packed and kind ~= 'delete' and isTooLarge(pend, #values) then return 'size' end
    local since = firstWrite(meta)
    local refusal = change(pend, key, meta, since, packed)
    if refusal then return refusal end
    return nil, since < late and since + maxWait or latest
  end

  -- include condition

  local function compose(index, key, packed, values, head, newShape, enterClean)
    enter = enterClean
    take(newShape, values)
    if condition then return writeIf(index, key, values) end
    return write(index, key, packed, values, head)
  end

  -- Applies the operation to the view, too. Returns the packed change, to which the operation was added before.
  local function followPacked(key, values, packed, newShape)
    take(newShape, values)
    return withFlag(packed, changeView(prefix .. 'view/' .. named(key)))
  end

  return compose, followPacked
end
