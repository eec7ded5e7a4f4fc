-- Ends the batch in flight. The next group of a split batch takes its turn under a new id, if one waits. `rest`: the field of the batch. Returns whether
-- there is a batch now. Needs `prefix`.
local function advance(rest, previous, nextId)
  local batchKey = prefix .. 'batch'
  local groups = rest and cmsgpack.unpack(rest) or {}
  local group = table.remove(groups)
  if not group then
    redis.call('DEL', batchKey)
    return false
  end
  redis.call('HSET', batchKey, 'id', nextId, 'previous', previous, 'writes', '0', 'tries', '0', 'keys', group[1], 'changes', group[2],
    'reasons', group[3] or '', 'rest', cmsgpack.pack(groups))
  return true
end
